//! What a new gateway needs, filled in: the very files of `envoy/`, which tests run and compare with published definitions.

use crate::api::gateways::GatewayAdded;

/// Texts to copy.
pub(super) struct Setup {
    /// The environment of Envoy, which keeps the credential out of its configuration.
    pub(super) environment: String,
    /// `envoy.yaml`, with the address of the feed.
    pub(super) envoy: String,
    /// Brings the credential into the cluster.
    pub(super) secret: String,
    /// Hands it to the proxy.
    pub(super) proxy: &'static str,
    /// The filter in Istio's gateway.
    pub(super) extension: &'static str,
}

const ENVOY: &str = include_str!("../../../../envoy/standalone/envoy.yaml");
const EXTENSION: &str = include_str!("../../../../envoy/istio/trafficextension.yaml");
/// Where the feed is, as that file has it.
const FEED: &str = "{ address: 127.0.0.1, port_value: 8081 }";
const PROXY: &str = "\
spec:
  template:
    spec:
      containers:
        - name: istio-proxy
          image: auto
          env:
            - name: STOPLEAK_CREDENTIAL
              valueFrom: { secretKeyRef: { name: stopleak-gateway, key: credential } }
            - name: STOPLEAK_PUBLIC_KEY
              valueFrom: { secretKeyRef: { name: stopleak-gateway, key: public-key } }
";

impl Setup {
    pub(super) fn of(gateway: &GatewayAdded) -> Self {
        let GatewayAdded { credential, public_key, feed, .. } = gateway;
        Self {
            environment: format!("export STOPLEAK_CREDENTIAL={credential}\nexport STOPLEAK_PUBLIC_KEY={public_key}\n"),
            envoy: with_feed(feed),
            secret: format!(
                "kubectl -n istio-ingress create secret generic stopleak-gateway \\\n  --from-literal=credential={credential} \\\n  \
                 --from-literal=public-key={public_key}\n"
            ),
            proxy: PROXY,
            extension: EXTENSION,
        }
    }
}

/// The file, with this address of the feed.
fn with_feed(feed: &str) -> String {
    let Some((host, port)) = feed.rsplit_once(':') else { return ENVOY.to_owned() };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    ENVOY.replace(FEED, &format!("{{ address: \"{host}\", port_value: {port} }}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_feed_is_filled_in() {
        assert_eq!(ENVOY.matches(FEED).count(), 1, "where the address belongs has changed");
        assert!(with_feed("192.0.2.7:9443").contains("{ address: \"192.0.2.7\", port_value: 9443 }"));
        assert!(with_feed("[2001:db8::1]:8081").contains("{ address: \"2001:db8::1\", port_value: 8081 }"));
    }
}
