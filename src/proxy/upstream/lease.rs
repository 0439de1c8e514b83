//! A connection taken out for one request.

use std::{cell::Cell, error::Error, rc::Rc, sync::Arc};

use http::{Request, StatusCode, Version};
use http_body::Body;
use hyper::client::conn::TrySendError;

use crate::{
    measure::Connects,
    plan::{EndpointId, Scheme},
    proxy::{
        head::{RequestHead, ResponseHead},
        http1::check_framing,
        pipe::Flow,
        upstream::{
            body::{Source, UpstreamBody},
            connection::Http1Connection,
            endpoint::{InFlight, Origin},
            error::{ExchangeFault, SendError},
            pool::{Connection, Vintage},
            upload::{Progress, Upload},
        },
    },
};

/// A connection that is ready for one request. Dropped without sending, it goes back to its pool.
#[derive(Debug)]
pub(crate) struct Lease<B> {
    /// Present until the request is sent.
    held: Option<Held<B>>,
    id: EndpointId,
    scheme: Scheme,
    origin: Origin,
    connects: Arc<Connects>,
}

/// What one exchange occupies at its endpoint.
#[derive(Debug)]
pub(crate) struct Held<B> {
    pub(crate) connection: Connection<B>,
    pub(crate) in_flight: InFlight<B>,
    /// The pool's when the connection was sought.
    pub(crate) vintage: Vintage,
}

impl<B> Lease<B> {
    /// A lease of what is `held`.
    pub(crate) const fn new(
        held: Held<B>,
        (origin, scheme): (Origin, Scheme),
        connects: Arc<Connects>,
    ) -> Self {
        Self {
            id: held.in_flight.id(),
            scheme,
            held: Some(held),
            origin,
            connects,
        }
    }

    /// The endpoint that it leads to.
    pub(crate) const fn endpoint(&self) -> EndpointId {
        self.id
    }

    /// The scheme of its endpoint.
    pub(crate) const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// HTTP/1.1 or HTTP/2.
    pub(crate) const fn version(&self) -> Version {
        match &self.held {
            Some(Held {
                connection: Connection::Http2(_),
                ..
            }) => Version::HTTP_2,
            Some(_) | None => Version::HTTP_11,
        }
    }

    /// Whether the connection could not take the request any more.
    #[cfg(test)]
    pub(crate) fn is_closed(&mut self) -> bool {
        match &mut self.held {
            Some(Held {
                connection: Connection::Http1(it),
                ..
            }) => !it.is_ready(),
            Some(_) | None => false,
        }
    }

    /// Whether the connection had requests before this one, so that the endpoint may be about to close it.
    pub(crate) const fn is_reused(&self) -> bool {
        matches!(self.origin, Origin::Reused)
    }
}

impl<B> Lease<B>
where
    B: Flow + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    /// Sends a request and waits for the response head, however long that takes. Dropping the future closes the
    /// connection (HTTP/1.1) or resets the stream (HTTP/2). `interim` gets what an endpoint of HTTP/1.1 answers before that;
    /// hyper passes none on.
    ///
    /// # Errors
    /// [`SendError::Unsent`] gives the body back where nothing of the request was sent.
    pub(crate) async fn send(
        mut self,
        head: &RequestHead,
        body: B,
        interim: &mut dyn FnMut(ResponseHead),
    ) -> Result<(ResponseHead, UpstreamBody<B>), SendError<B>> {
        let held = self.held.take();
        let mut held = held.expect("only sending takes it, and sending consumes the lease");
        let (head, source) = match &mut held.connection {
            Connection::Http1(Http1Connection::Native(it)) => {
                let (head, transfer) = it.send(head, body, interim).await?;
                (head, Source::Native(transfer))
            }
            Connection::Http1(Http1Connection::Hyper(it)) => {
                let progress = Rc::clone(&it.progress);
                let request = watch(head, body, &progress)?;
                let response = it.sender.try_send_request(request).await;
                let mut response = response.map_err(|error| failure(error, &progress))?;
                if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                    let upgrade = hyper::upgrade::on(&mut response);
                    (response.into_parts().0.into(), Source::Upgrade(upgrade))
                } else {
                    let (head, body) = response.into_parts();
                    let mut head = head.into();
                    // hyper takes one of two lengths, and chunks before a length.
                    check_framing(&mut head).map_err(|it| SendError::broken(it.into()))?;
                    (head, Source::Hyper(body))
                }
            }
            Connection::Http2(it) => {
                let progress = Rc::new(Cell::new(Progress::Ended));
                let request = watch(head, body, &progress)?;
                let response = it.sender.try_send_request(request).await;
                let response = response.map_err(|error| failure(error, &progress));
                if matches!(response, Err(SendError::Unsent { .. })) {
                    // The endpoint takes no new stream here: it is going away.
                    it.connection.retire();
                }
                let (head, body) = response?.into_parts();
                (head.into(), Source::Hyper(body))
            }
        };
        self.connects.succeeded(self.id.side);
        Ok((head, UpstreamBody::new(source, held)))
    }
}

impl<B> Drop for Lease<B> {
    fn drop(&mut self) {
        if let Some(held) = self.held.take() {
            held.give_back();
        }
    }
}

impl<B> Held<B> {
    /// Ends the exchange: the connection is used again if both of its bodies ended cleanly, and else closed.
    pub(crate) fn give_back(self) {
        let endpoint = self.in_flight.endpoint();
        match self.connection {
            Connection::Http1(it)
                if it.is_reusable() && self.vintage == endpoint.pool.vintage() =>
            {
                endpoint.pool.put(it, endpoint.swept());
            }
            Connection::Http1(closed) => drop(closed),
            Connection::Http2(it) => it.finish(endpoint.swept()),
        }
    }
}

fn watch<B: Body>(
    head: &RequestHead,
    body: B,
    progress: &Rc<Cell<Progress>>,
) -> Result<Request<Upload<B>>, SendError<B>> {
    let parts = head.to_parts().ok_or_else(|| {
        let source = ExchangeFault::Upload("a target that hyper does not take".into());
        SendError::broken(source)
    })?;
    let body = Upload::new(body, Rc::clone(progress));
    Ok(Request::from_parts(parts, body))
}

fn failure<B: Body>(
    mut error: TrySendError<Request<Upload<B>>>,
    progress: &Cell<Progress>,
) -> SendError<B> {
    match error.take_message() {
        Some(request) => SendError::Unsent {
            body: request.into_body().into_inner(),
            source: error.into_error().into(),
        },
        None => {
            let source = error.into_error();
            SendError::broken(match progress.get() {
                Progress::Failed => ExchangeFault::Upload(source.into()),
                Progress::Going | Progress::Ended => ExchangeFault::Hyper(source),
            })
        }
    }
}
