//! A backup by the command line, of a server that runs, and another server on what was restored.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::json;

use crate::world::{Data, World};

const TOKEN: &str = "fk_9aQ7zLm2Xw4RtB8v";

fn run(data: &Data, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stopleak"));
    if let Some(postgres) = &data.postgres {
        command.env("STOPLEAK_DATABASE_URL", postgres.url());
    }
    command.args(arguments).arg("--data-dir").arg(data.path()).output().unwrap()
}

fn ok(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn copy(from: &Path, to: &Path, file: &str) {
    std::fs::create_dir_all(to.join(file).parent().unwrap()).unwrap();
    std::fs::copy(from.join(file), to.join(file)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_a_running_server_is_another_server() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::start().await;
    world.leak(&[TOKEN]);
    world.api.post("/leaks/1/decisions", &json!({"action": "apply_virtual_patch"})).created();
    let file = world.data.path().join("backup.jsonl.gz");
    let name = file.to_str().unwrap();
    ok(&run(&world.data, &["backup", name]));
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!run(&world.data, &["backup", name]).status.success(), "it is not written over");
    assert!(String::from_utf8_lossy(&run(&world.data, &["restore", name]).stderr).contains("into an empty one"));

    let data = Data::new();
    ok(&run(&data, &["restore", name]));
    for key in ["keys/fingerprint.key", "keys/signing.key", "admin-token"] {
        copy(world.data.path(), data.path(), key);
    }
    let before = world.api.get("/leaks/1").ok();
    let restored = World::start_in(data).await;
    assert_eq!(restored.api.get("/leaks/1").ok(), before);
    assert_eq!(restored.leak(&["fk_another-token-0001"])["number"], 2);

    let export = world.data.path().join("default.jsonl.gz");
    ok(&run(&world.data, &["export", "default", export.to_str().unwrap()]));
    assert!(String::from_utf8_lossy(&run(&Data::new(), &["restore", export.to_str().unwrap()]).stderr).contains("export"));
    assert!(!run(&world.data, &["export", "nobody", world.data.path().join("x").to_str().unwrap()]).status.success());
}
