//! What both databases have to hold.

mod disk;
mod schema;
mod server;
mod turns;

use stopleak_postgres::Postgres;

use super::*;
use crate::tenants;
use crate::time::Time;

/// A database of a test, which goes with it.
pub(crate) struct Fresh {
    pub(crate) database: Database,
    _data: tempfile::TempDir,
    _postgres: Option<Postgres>,
}

/// An empty one of each kind.
pub(crate) fn one_of_each() -> [Fresh; 2] {
    let data = || tempfile::tempdir().unwrap();
    let (sqlite, postgres) = (data(), Postgres::start().unwrap());
    [
        Fresh { database: Database::Sqlite(sqlite.path().to_owned()), _data: sqlite, _postgres: None },
        Fresh {
            database: Database::Postgres(Address::parse(&postgres.url()).unwrap()),
            _data: data(),
            _postgres: Some(postgres),
        },
    ]
}

impl Fresh {
    pub(crate) async fn open(&self) -> Store {
        Store::connect(&self.database).await.unwrap()
    }

    /// With a tenant.
    pub(crate) async fn with_tenant(&self) -> (Store, tenants::TenantId) {
        let store = self.open().await;
        let mut db = store.write().await.unwrap();
        let tenant = tenants::ensure(&mut db, "one", Time::now()).await.unwrap();
        db.commit().await.unwrap();
        (store, tenant.id)
    }
}
