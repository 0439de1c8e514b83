//! The tasks that serve streams of HTTP/2, one after another.
//!
//! To make a task for each stream, to move the state of a whole exchange there, and to end it, costs more than to hand a
//! stream over to a task that has just become free.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    rc::Rc,
    task::{Poll, Waker},
};

use super::stream::Stream;

/// Tasks of one worker that wait for a stream. More end once they are free: what a burst needed is given back.
const FREE_MAX: usize = 256;

/// The tasks of one worker.
#[derive(Default)]
pub(crate) struct Crew {
    free: RefCell<Vec<Rc<Berth>>>,
}

/// Where a free task waits.
#[derive(Default)]
struct Berth {
    next: Cell<Option<Stream>>,
    waker: Cell<Option<Waker>>,
}

impl Crew {
    /// Gives the stream to a task of its own until it ends.
    pub(super) fn serve(self: &Rc<Self>, stream: Stream) {
        let free = self.free.borrow_mut().pop();
        match free {
            Some(berth) => berth.give(stream),
            None => {
                tokio::task::spawn_local(work(Rc::clone(self), stream));
            }
        }
    }

    /// Lets the task at `berth` wait for the next stream, unless enough do.
    fn rest(&self, berth: &Rc<Berth>) -> Rest {
        let mut free = self.free.borrow_mut();
        if free.len() >= FREE_MAX {
            return Rest::End;
        }
        free.push(Rc::clone(berth));
        Rest::Wait
    }
}

/// What a task does that has nothing to do.
enum Rest {
    Wait,
    End,
}

impl Berth {
    fn give(&self, stream: Stream) {
        self.next.set(Some(stream));
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    async fn next(&self) -> Stream {
        poll_fn(|cx| match self.next.take() {
            Some(stream) => Poll::Ready(stream),
            None => {
                self.waker.set(Some(cx.waker().clone()));
                Poll::Pending
            }
        })
        .await
    }
}

async fn work(crew: Rc<Crew>, first: Stream) {
    first.serve().await;
    let berth = Rc::new(Berth::default());
    while let Rest::Wait = crew.rest(&berth) {
        berth.next().await.serve().await;
    }
}
