//! The feed with TLS.

use std::fs;

use stopleak::config::{Config, FeedTls};
use tonic::transport::{Certificate, Channel, ClientTlsConfig};

use crate::client::Gateway;
use crate::world::{Data, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_may_check_the_feeds_certificate() {
    let data = Data::new();
    let files = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["feed.example".to_owned()]).unwrap();
    let tls = FeedTls { certificate: files.path().join("cert.pem"), private_key: files.path().join("key.pem") };
    fs::write(&tls.certificate, made.cert.pem()).unwrap();
    fs::write(&tls.private_key, made.signing_key.serialize_pem()).unwrap();
    let config = Config { feed_tls: Some(tls.clone()), ..data.config() };
    let world = World::start_with(data, &config).await;

    let (_, credential) = world.gateway("edge");
    let trust = ClientTlsConfig::new().domain_name("feed.example").ca_certificate(Certificate::from_pem(made.cert.pem()));
    let key = world.app.keys.signing.public_key();
    let channel = Channel::from_shared(format!("https://{}", world.addresses.feed)).unwrap().tls_config(trust).unwrap();
    let mut gateway = Gateway::open_by(channel, Some(&format!("Bearer {credential}")), key).await.unwrap();
    gateway.hello().await;
    gateway.take_index().await;

    fs::write(&tls.certificate, "no certificate").unwrap();
    let refusal = config.check().unwrap_err().to_string();
    assert!(refusal.contains("`feed_tls`"), "{refusal}");
}
