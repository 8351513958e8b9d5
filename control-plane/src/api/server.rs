//! Serves the API's connections.

use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;

use super::patience::Patient;
use super::peer::Peer;
use crate::app::App;
use crate::door::Door;

/// From the connection, or from the answer before, to the end of a request's head: whoever takes longer gives their place to
/// others. Callers come back with a new connection.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Until the control plane stops and what is under way is answered.
pub async fn serve(app: Arc<App>, door: Door) {
    let service = TowerToHyperService::new(super::router(Arc::clone(&app)));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    let under_way = GracefulShutdown::new();
    let stopped = app.stopped();
    tokio::pin!(stopped);
    loop {
        tokio::select! {
            () = &mut stopped => break,
            // A connection's deadline is that of its requests' heads.
            guest = door.accept(None) => {
                let (service, peer) = (service.clone(), Peer(Some(guest.peer())));
                let service = service_fn(move |mut request: Request<Incoming>| {
                    request.extensions_mut().insert(peer);
                    service.call(request)
                });
                let connection = under_way.watch(http.serve_connection(TokioIo::new(Patient::new(guest)), service));
                tokio::spawn(async move {
                    if let Err(error) = connection.await {
                        tracing::debug!(%error, "a connection ended");
                    }
                });
            }
        }
    }
    drop(door);
    under_way.shutdown().await;
}
