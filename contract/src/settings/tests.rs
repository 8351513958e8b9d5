//! Where patches apply, in tables and in any spelling; what is a scope, a network and a response; the bytes.

use std::net::IpAddr;

use proptest::prelude::*;

use super::*;

fn scope(hosts: &[&str], path_prefixes: &[&str], exempt_networks: &[&str]) -> Scope {
    let own = |list: &[&str]| list.iter().map(ToString::to_string).collect();
    let exempt_networks = exempt_networks.iter().map(|network| network.parse().unwrap()).collect();
    Scope { hosts: own(hosts), path_prefixes: own(path_prefixes), exempt_networks }.checked().unwrap()
}

fn covers(scope: &Scope, authority: &str, path: &str) -> bool {
    scope.clone().into_wire().covers(&Target::new(authority.as_bytes(), path.as_bytes()))
}

#[test]
fn a_scope_covers_its_hosts_however_they_are_spelt() {
    let scope = scope(&["API.example.com.", "*.internal.example"], &[], &[]);
    for inside in [
        "api.example.com",
        "API.Example.COM",
        "api.example.com:8443",
        "api.example.com.",
        "api.example.com.:443",
        "api.example.com:",
        "a.internal.example",
        "a.b.internal.example:1",
        // Nobody knows what a server makes of these.
        "",
        ":80",
        "user@other.example",
        "other.example:80:90",
        "other..example",
        "other.example:port",
        "other%2eexample",
        "other.example, api.example.com",
        "\u{e4}.example",
        "192.0.2.7",
        "192.0.2.7:80",
        "[2001:db8::1]",
        "[2001:db8::1]:443",
        "192.0.519",
        "3221225991",
        "0xc0000207",
        "0300.0.2.7",
        "[::1",
        "[::1]x",
        "2001:db8::1",
    ] {
        assert!(covers(&scope, inside, "/"), "{inside:?}");
    }
    assert!(scope.clone().into_wire().covers(&Target::new(b"\xff.example", b"/")));
    for outside in ["example.com", "xapi.example.com", "api.example.com.evil", "internal.example", "xinternal.example"] {
        assert!(!covers(&scope, outside, "/"), "{outside:?}");
    }
}

#[test]
fn a_scope_covers_its_paths_however_they_are_spelt() {
    let scope = scope(&[], &["/v2/admin", "/files/a%20b/"], &[]);
    for inside in [
        "/v2/admin",
        "/v2/admin/",
        "/v2/admin/x",
        "//v2///admin",
        "/./v2/./admin",
        "/v2/%61dmin",
        "/V2/Admin",
        "/v2%2fadmin",
        "/v2%2Fadmin%2Fx",
        "/v2\\admin",
        "/v2%5cadmin",
        "/v2;a=1/admin;b=2/x",
        "/v2/admin%3bx",
        "/v2/admin%3f",
        "/v2/admin#",
        "/v2/admin.",
        "/v2/admin%20",
        "/files/a b/c",
        // Unclear ones.
        "/x/../v2/admin",
        "/x/%2e%2e/v2/admin",
        "/x/..;/v2/admin",
        "/x/..%2fv2/admin",
        "/x/.%2e/y",
        "/x/.. /y",
        "/x/.../y",
        "/x/%252e%252e/y",
        "/v2/%2561dmin",
        "/v2/admin%00",
        "/v2/%zz",
        "/x/%c0%ae%c0%ae/v2/admin",
        "/x/\u{ff0e}\u{ff0e}/v2/admin",
        "/v2/adm\u{131}n",
        "v2/admin",
        "*",
        "",
    ] {
        assert!(covers(&scope, "h.example", inside), "{inside:?}");
    }
    for outside in
        ["/", "/v2", "/v2/", "/v2/adminx", "/v2/x/admin", "/v2/.admin", "/v22/admin", "/files/a", "/files/a+b", "/admin/v2"]
    {
        assert!(!covers(&scope, "h.example", outside), "{outside:?}");
    }
}

#[test]
fn hosts_and_paths_narrow_together_and_empty_lists_do_not() {
    let both = scope(&["a.example"], &["/x"], &[]);
    assert!(covers(&both, "a.example", "/x"));
    assert!(!covers(&both, "b.example", "/x") && !covers(&both, "a.example", "/y"));
    assert!(covers(&Scope::default(), "a.example", "/x") && Scope::default().is_everything());
    assert!(covers(&scope(&[], &["/"], &[]), "a.example", "/x"));
}

#[test]
fn networks_hold_their_clients_and_no_others() {
    for (network, client, inside) in [
        ("10.0.0.0/8", "10.255.0.1", true),
        ("10.0.0.0/8", "11.0.0.1", false),
        ("10.0.0.0/8", "::ffff:10.1.2.3", true),
        ("192.0.2.1", "192.0.2.1", true),
        ("192.0.2.1", "192.0.2.2", false),
        ("0.0.0.0/0", "8.8.8.8", true),
        ("0.0.0.0/0", "2001:db8::1", false),
        ("::/0", "2001:db8::1", true),
        ("::/0", "8.8.8.8", false),
        ("2001:db8::/33", "2001:db8:7fff::1", true),
        ("2001:db8::/33", "2001:db8:8000::1", false),
        ("2001:db8::1", "2001:db8::1", true),
        ("2001:db8::1", "2001:db8::", false),
    ] {
        let scope = scope(&[], &[], &[network]);
        assert_eq!(scope.into_wire().exempts(client.parse::<IpAddr>().unwrap()), inside, "{network} {client}");
    }
    for bad in [
        "",
        "10.0.0.0/33",
        "10.0.0.1/8",
        "::1/129",
        "2001:db8::1/64",
        "10.0.0.0/",
        "10.0.0.0/+8",
        "host",
        "::ffff:10.0.0.0/104",
        "10.0.0.0/8/8",
    ] {
        assert!(bad.parse::<Network>().is_err(), "{bad:?}");
    }
}

#[test]
fn what_is_no_scope_is_refused_without_being_repeated() {
    let host = |host: &str| Scope { hosts: vec![host.to_owned()], ..Scope::default() };
    let path = |path: &str| Scope { path_prefixes: vec![path.to_owned()], ..Scope::default() };
    let long = format!("/{}", "secret/".repeat(40));
    for (bad, words) in [
        (host("secret:80"), "entry 1 has a port"),
        (host("https://secret"), "is not the name"),
        (host("secret*.example"), "is not the name"),
        (host("*"), "is not the name"),
        (host("192.0.2.1"), "is an address"),
        (host("[2001:db8::1]"), "is an address"),
        (host(""), "is not the name"),
        (path("secret"), "does not begin"),
        (path("/secret?x"), "has a query"),
        (path("/secret/../x"), "has .. in it"),
        (path("/secret%2541"), "encoded twice"),
        (path("/secret\u{e4}"), "ASCII"),
        (path(&long), "is too long"),
        (Scope { hosts: vec!["secret.example".to_owned(); 65], ..Scope::default() }, "64 are the most"),
    ] {
        let refused = bad.clone().checked().unwrap_err().to_string();
        assert!(refused.contains(words) && !refused.contains("secret"), "{bad:?}: {refused}");
    }
    let tidy = scope(&["b.example", "A.example", "a.example."], &["/x", "/x"], &[]);
    assert_eq!((tidy.hosts, tidy.path_prefixes), (vec!["a.example".to_owned(), "b.example".to_owned()], vec!["/x".to_owned()]));
}

#[test]
fn a_response_is_a_refusal_and_does_not_touch_the_connection() {
    let response = |headers: &[(&str, &str)]| Response {
        headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        ..Response::default()
    };
    assert_eq!(Response::default().checked().unwrap(), Response::default());
    let plain = response(&[("X-Help", "https://help.example/")]).checked().unwrap();
    assert_eq!(plain.headers[0].0, "x-help");
    assert_eq!(plain.headers[1], ("cache-control".to_owned(), "no-store".to_owned()), "no cache keeps a refusal unasked");
    for bad in [
        ("Connection", "close"),
        ("transfer-encoding", "chunked"),
        ("content-length", "1"),
        ("content-encoding", "gzip"),
        (":status", "200"),
        ("", "x"),
        ("a b", "x"),
        ("x", "a\r\nset-cookie: b"),
        ("x", " a"),
        ("x", "\u{e4}"),
    ] {
        assert_eq!(response(&[bad]).checked().unwrap_err().field, "headers", "{bad:?}");
    }
    for status in [0, 200, 302, 399, 600] {
        assert_eq!(Response { status, ..Response::default() }.checked().unwrap_err().field, "status");
    }
    assert!(Response { body: vec![b'x'; MAX_BODY], ..Response::default() }.checked().is_ok());
    assert_eq!(Response { body: vec![b'x'; MAX_BODY + 1], ..Response::default() }.checked().unwrap_err().field, "body");
}

fn settings() -> Settings {
    let response = Response { status: 451, headers: vec![("x-a".to_owned(), "b".to_owned())], body: b"no".to_vec() };
    let narrow = scope(&["a.example", "*.b.example"], &["/v2"], &["10.0.0.0/8", "2001:db8::/32"]);
    Settings::new(Some(&response), 1_700_000_000_000, vec![(narrow, vec![3, 9]), (scope(&[], &[], &["192.0.2.1"]), vec![4])])
}

/// Control planes and gateways of this contract are out there: these bytes are to be made and to be read for as long as it lives.
#[test]
fn the_golden_file_of_settings_is_read_and_made() {
    let golden = include_bytes!("golden-v1.bin");
    assert_eq!(settings().to_bytes(), golden);
    assert_eq!(Settings::read(golden).unwrap(), settings());
}

#[test]
fn each_leak_has_its_scope() {
    let settings = settings();
    assert_eq!(settings.scope_of(3), settings.scope_of(9));
    let other = wire::Scope { leaks: vec![4], ..scope(&[], &[], &["192.0.2.1"]).into_wire() };
    assert_eq!(settings.scope_of(4), Some(&other));
    assert_eq!((settings.scope_of(5), Settings::default().scope_of(3)), (None, None));
    let answer = Answer { status: 451, headers: vec![("x-a", "b")], body: b"no" };
    assert_eq!((settings.response(), Settings::default().response()), (Some(answer), None));
    assert!(settings.has_scopes() && !Settings::default().has_scopes());
    assert!(Settings::default().to_bytes().is_empty(), "what nobody has set takes no room");
}

#[test]
fn settings_with_anything_that_makes_no_sense_are_none() {
    for (what, change) in [
        ("bits", (|wire| *wire.scopes[0].exempt_networks[0].last_mut().unwrap() = 33) as fn(&mut wire::Settings)),
        ("address", |wire| wire.scopes[0].exempt_networks[0].push(0)),
        ("nothing", |wire| wire.scopes[0].exempt_networks[0].clear()),
        ("status", |wire| wire.response_status = 200),
        ("order", |wire| wire.scopes[0].leaks.reverse()),
        ("large status", |wire| wire.response_status = 65_536 + 403),
    ] {
        let mut wire = wire::Settings::decode(settings().to_bytes().as_slice()).unwrap();
        change(&mut wire);
        assert!(Settings::read(&wire.encode_to_vec()).is_err(), "{what}");
    }
}

/// A path as written, and in some way in which servers still take it for the same.
fn spelt() -> impl Strategy<Value = (String, String)> {
    let segment = ("[a-z0-9_-]{1,6}", prop::collection::vec(0..4_u8, 6), 0..5_usize, 0..4_usize);
    prop::collection::vec(segment, 1..6).prop_map(|segments| {
        let (mut plain, mut odd) = (String::new(), String::new());
        for (text, ways, before, after) in segments {
            plain.push('/');
            plain.push_str(&text);
            odd.push_str(if odd.is_empty() { "/" } else { ["/", "%2F", "%2f", "//", "\\"][before] });
            odd.push_str(["", "./", "/", "%2e/", ""][before]);
            for (letter, way) in text.chars().zip(ways) {
                match way {
                    0 => odd.extend(format!("%{:02x}", u32::from(letter)).chars()),
                    1 => odd.push(letter.to_ascii_uppercase()),
                    _ => odd.push(letter),
                }
            }
            odd.push_str(["", ";x=1", "%3B", "/x/.."][after]);
        }
        (plain, odd)
    })
}

proptest! {
    #[test]
    fn a_request_in_scope_is_covered_in_any_spelling((plain, odd) in spelt(), depth in 1..6_usize) {
        let prefix: String = plain.split('/').skip(1).take(depth).flat_map(|segment| ["/", segment]).collect();
        let scope = scope(&[], &[&prefix], &[]);
        prop_assert!(covers(&scope, "h.example", &plain), "{} {}", prefix, plain);
        prop_assert!(covers(&scope, "h.example", &odd), "{} {}", prefix, odd);
    }

    #[test]
    fn a_plain_path_elsewhere_is_not_covered((plain, _) in spelt()) {
        prop_assert!(!covers(&scope(&[], &["/elsewhere"], &[]), "h.example", &plain));
    }

    #[test]
    fn no_bytes_make_reading_a_target_or_settings_panic(
        authority in prop::collection::vec(any::<u8>(), 0..40),
        path in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let target = Target::new(&authority, &path);
        prop_assert!(Scope::default().into_wire().covers(&target));
        let _ = (scope(&["a.example"], &["/x"], &[]).into_wire().covers(&target), Settings::read(&path));
    }
}
