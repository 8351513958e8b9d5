//! What a mesh does differently and a single Envoy can show.

use anyhow::Result;
use serde_json::json;
use stopleak_tests::{Setting, World, tokens};

/// Istio calls its clusters so, and the name is not a valid authority for the control plane's HTTP/2 server.
#[test]
fn a_cluster_with_a_mesh_name_is_reached_by_its_authority() -> Result<()> {
    let plugin = json!({
        "cluster": "outbound|8081||stopleak.stopleak-system.svc.cluster.local",
        "authority": "stopleak.stopleak-system.svc.cluster.local:8081",
    });
    let world = World::with(Setting { plugin, ..Setting::default() })?;
    let token = tokens::own(1);
    world.patched_leak(&[&token])?;
    assert_eq!(world.get("/").bearer(&token).status()?, 403);
    Ok(())
}
