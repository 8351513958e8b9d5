//! The gRPC service: lets a gateway in by its credential and hands the stream over.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use stopleak_contract::feed::wire;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::MetadataMap;
use tonic::transport::ServerTlsConfig;
use tonic::transport::server::TlsConnectInfo;
use tonic::{Extensions, Request, Response, Status, Streaming};

use super::connection::{Connection, revoked_status};
use super::fleet::{MAX_STREAMS, MAX_STREAMS_IN_ALL};
use super::generated::feed_server::{Feed, FeedServer};
use crate::app::App;
use crate::door::{Admission, Door, Guest};
use crate::gateways::{self, Subscriber};
use crate::index::Encoded;
use crate::secret::{Purpose, Secret};
use crate::store::{Trouble, trouble};

/// Messages between the stream's driver and its socket: enough to keep the socket busy.
const OUTBOUND: usize = 4;
/// Largest message that a gateway may send: its largest are batches of 256 attempts, whose texts it cuts, and which have 100 KB or so.
const MAX_FROM_GATEWAY: usize = 512 * 1024;
/// A peer that is gone without a word is noticed within both together: eight seconds, as an Envoy with the settings of `envoy/` notices us.
const KEEPALIVE: Duration = Duration::from_secs(5);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(3);

/// A connection without a stream of a known gateway is of no use after that time.
const ADMISSION: Duration = Duration::from_secs(10);

struct Service {
    app: Arc<App>,
}

/// Serves the feed until the control plane stops.
pub async fn serve(app: Arc<App>, door: Door, tls: Option<ServerTlsConfig>) -> anyhow::Result<()> {
    let service = FeedServer::new(Service { app: Arc::clone(&app) }).max_decoding_message_size(MAX_FROM_GATEWAY);
    let mut server = tonic::transport::Server::builder();
    if let Some(tls) = tls {
        server = server.tls_config(tls).context("feed_tls")?;
    }
    server
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .add_service(service)
        .serve_with_incoming_shutdown(incoming(door), async move {
            app.stopped().await;
        })
        .await?;
    Ok(())
}

/// Connections as the server takes them.
fn incoming(door: Door) -> ReceiverStream<io::Result<Guest>> {
    let (guests, incoming) = mpsc::channel(1);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = guests.closed() => return,
                guest = door.accept(Some(ADMISSION)) => {
                    // Nobody takes it when the server has stopped in between.
                    let _ = guests.send(Ok(guest)).await;
                }
            }
        }
    });
    ReceiverStream::new(incoming)
}

#[tonic::async_trait]
impl Feed for Service {
    type SubscribeStream = ReceiverStream<Result<Encoded, Status>>;

    async fn subscribe(
        &self,
        request: Request<Streaming<wire::ToControlPlane>>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        let credential = credential(request.metadata()).inspect_err(refused)?;
        let subscriber = self.present(&credential).await?;
        admit(request.extensions());
        let member = self.app.fleet.enter(subscriber.tenant.id, subscriber.gateway).ok_or_else(|| self.crowded(&subscriber))?;
        // Once more, now that a revocation would reach the member: one in between would be missed otherwise.
        let subscriber = self.present(&credential).await?;
        // Another process may have made the tenant.
        self.app.publisher.open(&subscriber.tenant).await.map_err(|error| {
            tracing::error!(tenant = subscriber.tenant.name, error = format!("{error:#}"), "the tenant's index cannot be built");
            Status::unavailable("the tenant has no index yet; reconnect")
        })?;
        let index = self
            .app
            .publisher
            .subscribe(subscriber.tenant.id)
            .ok_or_else(|| Status::unavailable("the tenant has no index yet; reconnect"))?;
        let (outbound, stream) = mpsc::channel(OUTBOUND);
        let app = Arc::clone(&self.app);
        let connection = Connection { app, subscriber, member, index, base: None, inbound: request.into_inner(), outbound };
        tokio::spawn(connection.run());
        Ok(Response::new(ReceiverStream::new(stream)))
    }
}

impl Service {
    fn crowded(&self, subscriber: &Subscriber) -> Status {
        let status = Status::resource_exhausted(format!(
            "too many streams: a gateway may have {MAX_STREAMS}, one for each Envoy, and all gateways together \
             {MAX_STREAMS_IN_ALL}; give every fleet a credential of its own"
        ));
        if let Some(unlogged) = self.app.fleet.complains(subscriber.gateway) {
            tracing::warn!(gateway = subscriber.name, reason = status.message(), unlogged, "a stream was refused");
        }
        status
    }

    async fn present(&self, credential: &Secret) -> Result<Subscriber, Status> {
        let found = async { gateways::present(&mut *self.app.store.read().await?, credential).await };
        let subscriber = found.await.map_err(|error| {
            tracing::error!(%error, trouble = ?trouble(&error), "a gateway's credential cannot be checked");
            match trouble(&error) {
                Trouble::Defect | Trouble::Text => {
                    Status::internal("the credential cannot be checked; see the control plane's log")
                }
                _ => Status::unavailable("the control plane's database does not answer; reconnect"),
            }
        })?;
        let status = match &subscriber {
            Some(Subscriber { revoked_at: None, .. }) => None,
            Some(Subscriber { name, .. }) => Some(revoked_status(name)),
            None => Some(Status::unauthenticated(match credential.purpose() {
                Some(Purpose::ApiToken) => {
                    "this is an API token (slk_…); a gateway needs its own credential (slg_…): stopleak gateway add"
                }
                _ => {
                    "unknown gateway credential; make one with `stopleak gateway add` and put it into the filter's configuration"
                }
            })),
        };
        match (status, subscriber) {
            (None, Some(subscriber)) => Ok(subscriber),
            (status, _) => Err(status.unwrap_or_else(|| Status::unauthenticated("no credential"))).inspect_err(refused),
        }
    }
}

/// The connection may stay.
fn admit(extensions: &Extensions) {
    let bare = extensions.get::<Admission>();
    let tls = extensions.get::<TlsConnectInfo<Admission>>().map(TlsConnectInfo::get_ref);
    if let Some(admission) = bare.or(tls) {
        admission.admit();
    }
}

fn credential(metadata: &MetadataMap) -> Result<Secret, Status> {
    let missing = || {
        Status::unauthenticated(
            "no gateway credential came: the filter sends it as `authorization: Bearer slg_…`; \
             make one with `stopleak gateway add`",
        )
    };
    let value = metadata.get("authorization").and_then(|value| value.to_str().ok()).ok_or_else(missing)?;
    let (scheme, credential) = value.split_once(' ').ok_or_else(missing)?;
    scheme.eq_ignore_ascii_case("bearer").then(|| Secret::presented(credential)).ok_or_else(missing)
}

fn refused(status: &Status) {
    tracing::warn!(code = ?status.code(), reason = status.message(), "a gateway was refused");
}
