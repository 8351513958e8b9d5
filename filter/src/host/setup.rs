//! From a plugin configuration to a gateway.

use std::rc::Rc;

use stopleak_contract::PluginConfig;
use stopleak_contract::index::Pinned;

use super::proxy::Envoy;
use crate::gateway::{Gateway, Settings};
use crate::link;
use crate::records::Records;

/// Reads the configuration, and what it leaves to the VM's environment. Says what is wrong with it.
pub fn gateway(json: &[u8]) -> Result<Gateway, String> {
    let config = PluginConfig::from_json(json).map_err(|error| error.to_string())?;
    let environment = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let credential = config.credential.clone().or_else(|| environment("STOPLEAK_CREDENTIAL")).ok_or(
        "plugin configuration, key `credential`: is missing, and the VM's environment has no STOPLEAK_CREDENTIAL; \
         `stopleak gateway add` makes one",
    )?;
    let pinned = match config.public_key {
        Some(pinned) => pinned,
        None => environment("STOPLEAK_PUBLIC_KEY").as_deref().and_then(Pinned::from_text).ok_or(
            "plugin configuration, key `public_key`: is missing, and the VM's environment has no \
             STOPLEAK_PUBLIC_KEY of 64 hexadecimal digits, or twice as many with a comma between them; `stopleak gateway add` shows it",
        )?,
    };
    let target = link::target(&config.cluster, config.authority.as_deref()).ok_or_else(|| {
        format!("plugin configuration, key `authority`: it and `cluster` have at most {} bytes each", link::MAX_NAME)
    })?;
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| format!("no random numbers: {error}"))?;

    let records = Records::new(Rc::new(Envoy), &credential, pinned);
    let settings = Settings { cluster: config.cluster.clone(), target, credential, pinned };
    Ok(Gateway::new(Rc::new(Envoy), records, &config, settings, random))
}
