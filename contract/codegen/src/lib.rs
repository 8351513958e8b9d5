//! Makes the feed's Rust code from `contract/proto/stopleak/feed/v1/feed.proto`: the messages for the contract, the service for
//! the control plane. A crate of its own, because it has to build while the code that it replaces does not.

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    /// The checked-in code is what `feed.proto` says; stale code is written anew, so running this test twice makes it pass.
    #[test]
    fn generated_code_is_current() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let name = "stopleak.feed.v1.rs";
        let made = tempfile::tempdir().unwrap();
        let (messages, service) = (made.path().join("messages"), made.path().join("service"));
        fs::create_dir(&messages).unwrap();
        fs::create_dir(&service).unwrap();

        let descriptors = protox::compile(["stopleak/feed/v1/feed.proto"], [root.join("contract/proto")]).unwrap();
        let builder = || tonic_prost_build::configure().build_client(false);
        builder().build_server(false).out_dir(&messages).compile_fds(descriptors.clone()).unwrap();
        builder()
            .extern_path(".stopleak.feed.v1", "::stopleak_contract::feed::wire")
            // Encoded once, for all gateways.
            .extern_path(".stopleak.feed.v1.ToGateway", "crate::index::Encoded")
            .codec_path("crate::feed::codec::FeedCodec")
            .out_dir(&service)
            .compile_fds(descriptors)
            .unwrap();

        let mut stale = Vec::new();
        for (made, checked_in) in [
            (messages.join(name), root.join("contract/src/feed/gen").join(name)),
            (service.join(name), root.join("control-plane/src/feed/gen").join(name)),
        ] {
            let made = fs::read_to_string(made).unwrap();
            if fs::read_to_string(&checked_in).is_ok_and(|text| text == made) {
                continue;
            }
            fs::create_dir_all(checked_in.parent().unwrap()).unwrap();
            fs::write(&checked_in, made).unwrap();
            stale.push(checked_in);
        }
        assert!(stale.is_empty(), "stale, written anew, commit them: {stale:?}");
    }
}
