//! A log that somebody with the database at hand has changed is found out.

use serde_json::json;
use sqlx::{Connection as _, Executor as _};

use crate::cli::Cli;
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_tampered_log_is_found_out_by_the_command() {
    let world = World::start().await;
    let cli = Cli { data: world.data.path().to_owned(), proxy: None };
    world.tenant("acme").await;
    for n in 0..600 {
        // More than one page of the export.
        if n < 3 {
            world.gateway(&format!("edge-{n}"));
        } else {
            world.api.patch("/tenants/default", &json!({"title": format!("t{n}")})).ok();
        }
    }
    let head = cli.json(&["audit", "verify"], "")["head"].as_str().unwrap().to_owned();
    assert!(head.starts_with("600:"), "{head}");
    cli.ok(&["audit", "verify", "--head", &head], "");
    assert!(cli.ok(&["audit", "verify", "--tenant", "acme"], "").contains("acme: 1 entries"));
    let file = world.data.path().join("export.jsonl");
    std::fs::write(&file, cli.ok(&["audit", "export"], "")).unwrap();
    let file = file.to_str().unwrap();
    assert_eq!(cli.json(&["audit", "verify", "--file", file], "")["head"], head);

    let url = format!("sqlite://{}", world.data.path().join("stopleak.db").display());
    let mut database = sqlx::SqliteConnection::connect(&url).await.unwrap();
    assert!(database.execute("DELETE FROM audit").await.is_err(), "append-only");
    for (sql, expected) in [
        ("DROP TRIGGER audit_lasts; DROP TRIGGER audit_stays; DELETE FROM audit WHERE number > 550 AND tenant_id = 1", None),
        ("UPDATE audit SET actor = 'nobody' WHERE number = 510 AND tenant_id = 1", Some("entry 510 does not have the hash")),
    ] {
        database.execute(sql).await.unwrap();
        match expected {
            None => assert!(cli.ok(&["audit", "verify"], "").contains("550 entries")),
            Some(expected) => {
                let error = cli.fault(&["audit", "verify"], "", 1);
                assert!(error.contains(expected), "{error}");
            }
        }
        let error = cli.fault(&["audit", "verify", "--head", &head], "", 1);
        assert!(error.contains("its end was cut off") || expected.is_some(), "{error}");
    }
    cli.fault(&["audit", "verify", "--head", "x"], "", 2);
}
