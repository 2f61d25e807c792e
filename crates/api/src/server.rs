//! Listening, and what a connection may cost.

use std::{any::Any, future::Future, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::{JoinError, JoinSet},
};
use tower::Service;

use crate::{
    backend::Backend,
    openapi,
    security::ArrivedAt,
    state::{ApiConfig, App, wait_for_stop},
};

/// The longest head of a request: 8 KiB is usual, and a search for a long customer needs 1 KiB more.
const MAX_HEAD_BYTES: usize = 16 * 1024;
/// How long accepting rests after it failed, for example because too many files are open.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// Why the interface ended.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// It would be open to everyone. The operator's fault.
    #[error(
        "the REST interface listens on {0}, beyond this machine, and has no token; give it one, or listen on 127.0.0.1"
    )]
    NoToken(SocketAddr),
    /// The listener is broken. The operating system's fault.
    #[error("the REST interface cannot listen: {0}")]
    Listen(#[source] io::Error),
    /// A defect of this program. The process must end.
    #[error("a request made the REST interface panic: {0}")]
    Panicked(String),
}

/// Answers requests until `shutdown` resolves, then lets open ones end, for a bounded time.
///
/// # Errors
/// At once when the address is beyond loopback and there is no token, and when a request panicked:
/// the process must then end.
pub async fn serve(
    listener: TcpListener,
    backend: Arc<dyn Backend>,
    config: ApiConfig,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), ServeError> {
    let address = listener.local_addr().map_err(ServeError::Listen)?;
    check_exposure(address, config.token.as_deref())?;
    let limits = config.limits.clone();
    let (stop, stopping) = watch::channel(false);
    let router = openapi::router(App::new(backend, config, address, stopping.clone()));
    let slots = Arc::new(Semaphore::new(limits.connections));
    let mut connections = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            Some(ended) = connections.join_next() => no_panic(ended)?,
            (stream, slot) = accept(&listener, &slots) => {
                let router = router.clone();
                let stopping = stopping.clone();
                let read_timeout = limits.read_timeout;
                connections.spawn(async move {
                    converse(stream, router, read_timeout, stopping).await;
                    drop(slot);
                });
            }
        }
    }
    drop(listener);
    stop.send_replace(true);
    let ending = async {
        while let Some(ended) = connections.join_next().await {
            no_panic(ended)?;
        }
        Ok(())
    };
    // Whoever is still busy after that is cut off when the set is dropped.
    tokio::time::timeout(limits.drain, ending)
        .await
        .unwrap_or(Ok(()))
}

/// Beyond this machine nobody is served without a token.
fn check_exposure(address: SocketAddr, token: Option<&str>) -> Result<(), ServeError> {
    let has_token = token.is_some_and(|token| !token.is_empty());
    if address.ip().is_loopback() || has_token {
        Ok(())
    } else {
        Err(ServeError::NoToken(address))
    }
}

/// The next connection, once there is room for it.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> (TcpStream, OwnedSemaphorePermit) {
    loop {
        let slot = Arc::clone(slots).acquire_owned().await;
        match (listener.accept().await, slot) {
            (Ok((stream, _)), Ok(slot)) => return (stream, slot),
            (Err(error), _) => {
                tracing::warn!(%error, "cannot accept a connection to the REST interface");
                tokio::time::sleep(ACCEPT_REST).await;
            }
            (Ok(_), Err(_)) => unreachable!("the semaphore is never closed"),
        }
    }
}

/// Answers the requests of one connection.
async fn converse(
    stream: TcpStream,
    router: Router,
    read_timeout: Duration,
    stopping: watch::Receiver<bool>,
) {
    // Without an address the peer is gone already.
    let Ok(local) = stream.local_addr() else {
        return;
    };
    // Answers are small and events urgent; a failure only costs speed.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(ArrivedAt(local));
        // A router is always ready for a call.
        router.clone().call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(read_timeout)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let stopped = wait_for_stop(stopping);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = stopped => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a connection to the REST interface ended early");
    }
}

fn no_panic(ended: Result<(), JoinError>) -> Result<(), ServeError> {
    match ended.map_err(JoinError::try_into_panic) {
        Err(Ok(panic)) => Err(ServeError::Panicked(panic_message(&*panic))),
        Ok(()) | Err(Err(_)) => Ok(()),
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_loopback_a_token_is_needed() {
        for address in ["127.0.0.1:1", "127.8.0.1:1", "[::1]:1"] {
            assert!(
                check_exposure(address.parse().unwrap(), None).is_ok(),
                "{address}"
            );
        }
        for address in ["0.0.0.0:1", "192.168.1.5:1", "[::]:1", "[2001:db8::1]:1"] {
            let address = address.parse().unwrap();
            for none in [None, Some("")] {
                let refused = check_exposure(address, none);
                assert!(matches!(refused, Err(ServeError::NoToken(of)) if of == address));
            }
            assert!(check_exposure(address, Some("secret")).is_ok());
        }
    }
}
