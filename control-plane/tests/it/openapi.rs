//! The document of the API, and the page that shows it.

use crate::cli::Cli;
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn the_document_is_served_and_printed_to_everybody() {
    let world = World::start().await;
    let nobody = world.api.with_token("");
    let served = nobody.get("/openapi.json");
    assert_eq!(served.ok()["openapi"], "3.1.0");
    assert!(served.content_type.starts_with("application/json"));
    let cli = Cli { data: world.data.path().to_owned(), proxy: None };
    assert_eq!(cli.ok(&["openapi"], ""), served.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_comes_whole_from_this_server_and_may_do_nothing_else() {
    let world = World::start().await;
    let nobody = world.api.with_token("");
    let page = nobody.get_raw("/api/docs");
    assert_eq!(page.status, 200);
    assert!(page.content_type.starts_with("text/html"));
    for (path, kind) in [("/api/docs/page.js", "text/javascript"), ("/api/docs/page.css", "text/css")] {
        assert!(page.text.contains(path), "{path}");
        let part = nobody.get_raw(path);
        assert_eq!(part.status, 200);
        assert!(part.content_type.starts_with(kind) && part.text.len() > 500, "{path}");
        assert_eq!(part.header("x-content-type-options"), "nosniff");
    }
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"), "{policy}");
    assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{policy}");
}
