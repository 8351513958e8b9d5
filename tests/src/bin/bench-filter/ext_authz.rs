//! An authorization service that allows everything, as small as one can be: what is measured is what asking it costs.

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::mpsc;
use std::task::{Context, Poll};
use std::thread;

use anyhow::{Context as _, Result};
use tokio::net::TcpListener;
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

use crate::cpu;

/// A service on a thread of its own, which ends with the process.
pub struct ExtAuthz {
    pub address: SocketAddr,
    thread: PathBuf,
}

impl ExtAuthz {
    pub fn start() -> Result<Self> {
        let (tell, told) = mpsc::channel();
        thread::Builder::new().name("ext-authz".to_owned()).spawn(move || {
            if let Err(error) = serve(&tell) {
                eprintln!("ext_authz: {error:#}");
            }
        })?;
        let (address, thread) = told.recv().context("the authorization service does not start")?;
        Ok(Self { address, thread })
    }

    /// Nanoseconds that it has taken: not Envoy's, but somebody has to pay them.
    pub fn cpu(&self) -> Result<u64> {
        cpu::of_task(&self.thread)
    }
}

fn serve(tell: &mpsc::Sender<(SocketAddr, PathBuf)>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        tell.send((listener.local_addr()?, cpu::this_thread()?))?;
        Ok(Server::builder().add_service(Authorization).serve_with_incoming(TcpIncoming::from(listener)).await?)
    })
}

/// `envoy.service.auth.v3.Authorization`, of which Envoy calls the method `Check`.
#[derive(Clone)]
struct Authorization;

impl NamedService for Authorization {
    const NAME: &'static str = "envoy.service.auth.v3.Authorization";
}

/// What it is asked does not matter.
#[derive(prost::Message)]
struct CheckRequest {}

#[derive(prost::Message)]
struct CheckResponse {
    /// Of gRPC; 0 allows.
    #[prost(message, optional, tag = "1")]
    status: Option<RpcStatus>,
}

#[derive(prost::Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
}

impl UnaryService<CheckRequest> for Authorization {
    type Response = CheckResponse;
    type Future = Ready<Result<Response<CheckResponse>, Status>>;

    fn call(&mut self, _: Request<CheckRequest>) -> Self::Future {
        ready(Ok(Response::new(CheckResponse { status: Some(RpcStatus { code: 0 }) })))
    }
}

impl Service<http::Request<Body>> for Authorization {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async { Ok(Grpc::new(ProstCodec::default()).unary(Authorization, request).await) })
    }
}
