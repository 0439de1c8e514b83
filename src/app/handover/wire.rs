//! How two processes talk over the socket between them: sockets as descriptors, everything else as frames of JSON behind
//! their length.

use std::{
    io::{self, IoSlice, IoSliceMut, Read, Write},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The longest frame: a tenth of a second of measurements at a hundred thousand requests a second, in JSON.
const FRAME_BYTES_MAX: usize = 64 << 20;

/// Descriptors in one message; the kernel takes 253.
const SOCKETS_AT_ONCE: usize = 64;

/// Sends sockets.
pub(super) fn send_sockets(stream: &UnixStream, sockets: &[impl AsFd]) -> io::Result<()> {
    for some in sockets.chunks(SOCKETS_AT_ONCE) {
        let some: Vec<BorrowedFd<'_>> = some.iter().map(AsFd::as_fd).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS_AT_ONCE))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let fits = control.push(SendAncillaryMessage::ScmRights(&some));
        debug_assert!(fits, "the space is for as many");
        // Descriptors travel with a byte.
        sendmsg(
            stream,
            &[IoSlice::new(b"s")],
            &mut control,
            SendFlags::NOSIGNAL,
        )?;
    }
    Ok(())
}

/// Receives so many sockets, as they were sent. Programs that are started later do not get them.
pub(super) fn receive_sockets(stream: &UnixStream, count: usize) -> io::Result<Vec<OwnedFd>> {
    let mut sockets = Vec::with_capacity(count);
    while sockets.len() < count {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS_AT_ONCE))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut byte = [0; 1];
        let mut bytes = [IoSliceMut::new(&mut byte)];
        let received = recvmsg(stream, &mut bytes, &mut control, RecvFlags::CMSG_CLOEXEC)?;
        if received.bytes == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let before = sockets.len();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(some) = message {
                sockets.extend(some);
            }
        }
        if sockets.len() == before {
            let text =
                "no descriptor came where one was announced: the limit on open files is too low";
            return Err(io::Error::other(text));
        }
    }
    Ok(sockets)
}

/// Sends a frame and waits until it is taken.
pub(super) fn send(stream: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    stream.write_all(&frame(message)?)
}

/// Waits for a frame.
pub(super) fn receive<T: DeserializeOwned>(stream: &mut impl Read) -> io::Result<T> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut body = vec![0; length_of(length)?];
    stream.read_exact(&mut body)?;
    Ok(serde_json::from_slice(&body)?)
}

/// As [`send`], for a task.
pub(super) async fn write(
    stream: &mut (impl AsyncWrite + Unpin),
    message: &impl Serialize,
) -> io::Result<()> {
    stream.write_all(&frame(message)?).await
}

/// As [`receive`], for a task. Not to be cancelled: what it has read would be lost.
pub(super) async fn read<T: DeserializeOwned>(
    stream: &mut (impl AsyncRead + Unpin),
) -> io::Result<T> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).await?;
    let mut body = vec![0; length_of(length)?];
    stream.read_exact(&mut body).await?;
    Ok(serde_json::from_slice(&body)?)
}

fn frame(message: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut frame = vec![0; 4];
    serde_json::to_writer(&mut frame, message)?;
    let length = frame.len() - 4;
    if length > FRAME_BYTES_MAX {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let length = u32::try_from(length).expect("it is below the limit");
    frame[..4].copy_from_slice(&length.to_be_bytes());
    Ok(frame)
}

fn length_of(length: [u8; 4]) -> io::Result<usize> {
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if length > FRAME_BYTES_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn sockets_and_frames_arrive_in_order_and_in_any_number() {
        let (mut here, mut there) = UnixStream::pair().unwrap();
        let listeners: Vec<TcpListener> = (0..150)
            .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
            .collect();
        send_sockets(&here, &listeners).unwrap();
        send(&mut here, &("and", 1)).unwrap();
        let received = receive_sockets(&there, listeners.len()).unwrap();
        assert_eq!(
            receive::<(String, u32)>(&mut there).unwrap(),
            ("and".to_owned(), 1)
        );
        for (sent, received) in listeners.iter().zip(received) {
            let received = TcpListener::from(received);
            assert_eq!(received.local_addr().unwrap(), sent.local_addr().unwrap());
        }
    }

    #[test]
    fn who_waits_in_the_queue_is_accepted_by_the_other_process() {
        let (here, there) = UnixStream::pair().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        send_sockets(&here, &[&listener]).unwrap();
        let received = receive_sockets(&there, 1).unwrap().remove(0);
        drop(listener);
        let (_, peer) = TcpListener::from(received).accept().unwrap();
        assert_eq!(peer, client.local_addr().unwrap());
    }

    #[test]
    fn a_frame_that_is_too_long_or_cut_is_an_error() {
        let (mut here, mut there) = UnixStream::pair().unwrap();
        here.write_all(&u32::MAX.to_be_bytes()).unwrap();
        assert!(receive::<u32>(&mut there).is_err());
        here.write_all(&[0, 0, 0, 9, b'1']).unwrap();
        drop(here);
        assert!(receive::<u32>(&mut there).is_err());
    }
}
