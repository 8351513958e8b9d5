//! `/api/v1/imports`

use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::{Body as Stream, Bytes};
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;

use super::input::{Asked, Body, IdInPath, line};
use super::output::Created;
use super::page::history_query;
use super::problem::{Answer, Problem};
use crate::app::App;
use crate::audit;
use crate::imports::{self, ImportView, Reading};
use crate::people::Caller;
use crate::time::Time;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AddImport {
    /// What the findings are of: the source that they will belong to.
    #[schemars(length(min = 1, max = MAX_NAME))]
    name: String,
}

history_query! {
    pub(super) struct ListImports by "id" {
    }
}

#[derive(Serialize, JsonSchema)]
pub(super) struct ImportList {
    imports: Vec<ImportView>,
    /// What to give as `cursor` for the next page.
    next: Option<i64>,
}

/// A body as the thread that parses it reads it.
struct Chunks {
    chunks: mpsc::Receiver<io::Result<Bytes>>,
    chunk: Bytes,
}

const MAX_NAME: usize = 200;
/// Chunks that wait for the thread that parses them.
const WAITING: usize = 16;
/// A sender that is silent for so long is gone.
const SILENCE: Duration = Duration::from_secs(30);

pub(super) async fn add(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(request): Body<AddImport>,
) -> Answer<Created<ImportView>> {
    let name = line("name", &request.name, MAX_NAME)?;
    let mut db = app.store.write().await?;
    let import = imports::add(&mut db, caller.tenant.id, &name, &caller.name, Time::now()).await?;
    audit::record(&mut db, &caller, "import.add", &format!("import/{}", import.id), None, audit::seen(&import)).await?;
    db.commit().await?;
    Ok(Created::at(format!("/api/v1/imports/{}", import.id), import))
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Asked(asked): Asked<ListImports>,
) -> Answer<Json<ImportList>> {
    let page = asked.page()?;
    let imports = imports::list(&mut *app.store.read().await?, caller.tenant.id, &page).await?;
    let next = page.next(&imports, |import| import.id);
    Ok(Json(ImportList { imports, next }))
}

pub(super) async fn show(State(app): State<Arc<App>>, caller: Caller, IdInPath(id): IdInPath) -> Answer<Json<ImportView>> {
    let import = imports::get(&mut *app.store.read().await?, caller.tenant.id, id).await?;
    import.map(Json).ok_or(Problem::NotFound { what: "import" })
}

/// Takes the report; answers when it is read to its end. It may have any length.
pub(super) async fn read(
    State(app): State<Arc<App>>,
    caller: Caller,
    IdInPath(id): IdInPath,
    body: Stream,
) -> Answer<Json<ImportView>> {
    let _turn = app.importing.try_acquire().map_err(|_| Problem::Busy { what: "reports are being read" })?;
    let reading = Reading::begin(&app, &caller, id, Time::now()).await?;
    let (sender, chunks) = mpsc::channel(WAITING);
    let receiving = receive(body, sender);
    let (read, ()) = tokio::join!(reading.run(Chunks { chunks, chunk: Bytes::new() }), receiving);
    read?;
    tracing::info!(import = id, author = caller.name, "report imported");
    let import = imports::get(&mut *app.store.read().await?, caller.tenant.id, id).await?;
    import.map(Json).ok_or(Problem::NotFound { what: "import" })
}

/// Hands the body on until it ends, or until nobody reads any more.
async fn receive(body: Stream, chunks: mpsc::Sender<io::Result<Bytes>>) {
    let mut body = body.into_data_stream();
    loop {
        let chunk = match tokio::time::timeout(SILENCE, body.next()).await {
            Ok(None) => return,
            Ok(Some(Ok(chunk))) => Ok(chunk),
            Ok(Some(Err(_))) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the connection broke off")),
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "nothing came for 30 s")),
        };
        let last = chunk.is_err();
        if chunks.send(chunk).await.is_err() || last {
            return;
        }
    }
}

impl Read for Chunks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            match self.chunks.blocking_recv() {
                Some(chunk) => self.chunk = chunk?,
                None => return Ok(0),
            }
        }
        let some = self.chunk.split_to(self.chunk.len().min(buffer.len()));
        buffer[..some.len()].copy_from_slice(&some);
        Ok(some.len())
    }
}
