//! A tower service in the place of the client.

use std::error::Error as StdError;
use std::future::poll_fn;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use fanout::{Attempt, Effect, Error, ErrorKind, Reach, TimeoutScope, async_trait};
use fanout_net::{BoxError, Endpoint, classify_foreign};
use http::{Request, Response};
use http_body::Body;
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use tokio::time::{Instant, timeout_at};
use tower::Service;

use crate::HttpSinkBuilder;

/// A service of any type.
#[async_trait]
pub(crate) trait Carrier: Send + Sync {
    /// Carries a request there and its answer back.
    async fn carry(
        &self,
        request: Request<Bytes>,
        attempt: &Attempt,
        deadline: Instant,
        endpoint: &Endpoint,
    ) -> Result<Response<AnyBody>, Error>;
}

pub(crate) type AnyBody = UnsyncBoxBody<Bytes, BoxError>;

impl HttpSinkBuilder {
    /// Sends through a tower service in place of a [`client`](Self::client), so that its layers see every
    /// request: signing, tracing, limits. Needs the feature `tower`.
    ///
    /// # Behavior
    ///
    /// - Each attempt is one `call` of a clone of the service, on which `poll_ready` was waited for first. A
    ///   layer that retries hides attempts from the report, and multiplies them: leave retrying to
    ///   the pipeline.
    /// - Nothing is known of when the service writes. So a send counts as perhaps applied
    ///   ([`Effect::Maybe`]) from the `call` on, and as surely not applied before.
    /// - Its errors become: a [`fanout::Error`] as it is (make one with `map_err`); the `Elapsed` of a timeout
    ///   layer a [`Timeout`](ErrorKind::Timeout); the `Overloaded` of a load-shedding one a
    ///   [`QueueFull`](ErrorKind::QueueFull) without effect; the errors of hyper and of the system what they
    ///   would mean of our own client; anything else [`Interrupted`](ErrorKind::Interrupted). The error is kept
    ///   as the source, so its text is in reports: it should hold no secret.
    /// - The sink's [`timeout`](Self::timeout) holds, the wait for readiness included. Dropping the send
    ///   drops the service's future.
    ///
    /// A service brings its own connections: [`client`](Self::client),
    /// [`connect_timeout`](Self::connect_timeout) and [`http_version`](Self::http_version) beside it are
    /// refused by [`build`](Self::build).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::convert::Infallible;
    ///
    /// use bytes::Bytes;
    /// use fanout_http::HttpSink;
    /// use http_body_util::Full;
    /// use tower::{ServiceBuilder, service_fn};
    ///
    /// let service = ServiceBuilder::new()
    ///     .concurrency_limit(8)
    ///     .service(service_fn(|request: http::Request<Full<Bytes>>| async move {
    ///         Ok::<_, Infallible>(http::Response::new(request.into_body()))
    ///     }));
    /// let sink = HttpSink::post("https://echo.example/").service(service).build()?;
    /// # Ok::<(), fanout::Error>(())
    /// ```
    pub fn service<S, B, R>(self, service: S) -> Self
    where
        S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
        S::Future: Send,
        S::Error: Into<BoxError>,
        B: From<Bytes> + Send + 'static,
        R: Body<Data = Bytes> + Send + 'static,
        R::Error: Into<BoxError>,
    {
        self.carrier(std::sync::Arc::new(Shared {
            service: Mutex::new(service),
            body: std::marker::PhantomData,
        }))
    }
}

/// The service that every attempt clones. The lock makes it shareable, whatever it is made of.
struct Shared<S, B> {
    service: Mutex<S>,
    body: std::marker::PhantomData<fn(B)>,
}

#[async_trait]
impl<S, B, R> Carrier for Shared<S, B>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: From<Bytes> + Send + 'static,
    R: Body<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
{
    async fn carry(
        &self,
        request: Request<Bytes>,
        attempt: &Attempt,
        deadline: Instant,
        endpoint: &Endpoint,
    ) -> Result<Response<AnyBody>, Error> {
        let mut service = self.service.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let ready = poll_fn(|cx| service.poll_ready(cx));
        match timeout_at(deadline, ready).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(failure(error.into(), Effect::None, endpoint)),
            Err(_) => {
                let error =
                    Error::timeout(TimeoutScope::Attempt, "the service was not ready in time");
                return Err(error.with_effect(Effect::None));
            }
        }
        if attempt.reached(Effect::Maybe) == Reach::Abandoned {
            let error =
                Error::new(ErrorKind::Cancelled, "the attempt was abandoned before the call");
            return Err(error.with_effect(Effect::None));
        }
        match timeout_at(deadline, service.call(request.map(B::from))).await {
            Ok(Ok(response)) => Ok(response.map(|body| body.map_err(Into::into).boxed_unsync())),
            Ok(Err(error)) => Err(failure(error.into(), Effect::Maybe, endpoint)),
            Err(_) => Err(Error::timeout(TimeoutScope::Attempt, "no answer in time")),
        }
    }
}

/// What the error of a service means, when it had come so far.
fn failure(error: BoxError, reached: Effect, endpoint: &Endpoint) -> Error {
    let error = match error.downcast::<Error>() {
        Ok(classified) => return *classified,
        Err(error) => error,
    };
    let place = format!("{}:{}", endpoint.host(), endpoint.port());
    if has::<tower::load_shed::error::Overloaded>(&*error) {
        return Error::new(ErrorKind::QueueFull, "the service has no room for more")
            .with_context("endpoint", place);
    }
    let classified = if has::<tower::timeout::error::Elapsed>(&*error) {
        Error::timeout(TimeoutScope::Attempt, "the service gave no answer in time")
            .with_context("endpoint", place)
            .with_effect(reached)
    } else if let Some(known) = classify_foreign(&*error, endpoint) {
        let effect = known.effect().min(reached);
        known.with_effect(effect)
    } else {
        Error::new(ErrorKind::Interrupted, "the service failed")
            .with_context("endpoint", place)
            .with_effect(reached)
    };
    classified.with_source(error)
}

/// Whether an error of type `E` is among the causes.
fn has<E: StdError + 'static>(error: &(dyn StdError + 'static)) -> bool {
    std::iter::successors(Some(error), |&error| error.source()).any(|error| error.is::<E>())
}
