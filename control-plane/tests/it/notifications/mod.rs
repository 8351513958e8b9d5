//! Notifications, to receivers on this machine.

mod receiver;
mod webhooks;
mod events;
mod channels;
mod mail;

use std::time::Duration;

use serde_json::{Value, json};
use stopleak::config::Config;
use stopleak::notifications::{self, Event};
use stopleak::tenants::TenantId;
use stopleak::time::Time;

use self::receiver::{Receiver, Reply};
use crate::world::{Data, World};

const TOKEN: &str = "fk_9aQ7zLm2Xw4RtB8v";
const SECOND: Duration = Duration::from_secs(1);

/// A control plane that may send to this machine.
async fn world() -> World {
    let data = Data::new();
    let config =
        Config { allow_private_destinations: true, public_url: Some("https://stopleak.example/".to_owned()), ..data.config() };
    World::start_with(data, &config).await
}

/// Tomorrow: the server itself sends nothing of it meanwhile.
fn tomorrow() -> Time {
    Time::now().plus(86_400 * SECOND)
}

fn webhook(world: &World, receiver: &Receiver) -> Value {
    world.api.post("/notifications/channels", &json!({"name": "siem", "kind": "webhook", "url": receiver.url})).created()
}

async fn tell(world: &World, event: &Event<'_>, now: Time) {
    let mut db = world.app.store.write().await.unwrap();
    notifications::tell(&mut db, TenantId(1), event, now).await.unwrap();
    db.commit().await.unwrap();
}

async fn send(world: &World, now: Time) -> usize {
    notifications::send_due(&world.app, now).await.unwrap()
}

fn deliveries(world: &World, query: &str) -> Vec<Value> {
    world.api.get(&format!("/notifications/deliveries{query}")).ok()["deliveries"].as_array().unwrap().clone()
}
