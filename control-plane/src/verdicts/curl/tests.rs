//! Commands as they are copied, and what is wrong with some.

use proptest::prelude::*;

use super::*;
use crate::verdicts::{MAX_TEXT, raw};

fn header<'r>(request: &'r ParsedRequest, name: &str) -> Option<&'r str> {
    let value = request.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value)?;
    std::str::from_utf8(value).ok()
}

fn line(command: &str) -> String {
    let request = parse(command).unwrap_or_else(|error| panic!("{command}: {error}"));
    let body = String::from_utf8_lossy(&request.body).into_owned();
    let content_type = header(&request, "content-type").unwrap_or("-");
    format!("{} {}://{}{} {content_type} {body}", request.method, request.scheme, request.authority, request.target)
}

#[test]
fn commands_become_requests() {
    let form = "application/x-www-form-urlencoded";
    for (command, expected) in [
        ("curl api.example", "GET http://api.example/ - ".to_owned()),
        ("/usr/bin/curl -sSL 'https://api.example?a=1#top'", "GET https://api.example/?a=1 - ".to_owned()),
        ("curl -d a=1 --data-raw @b -d 'c d' https://x.example/p", format!("POST https://x.example/p {form} a=1&@b&c d")),
        ("curl -Gd a=1 --data-urlencode 'b=c d' x.example/?z", "GET http://x.example/?z&a=1&b=c%20d - ".to_owned()),
        ("curl -XPUT --json '{\"a\":' --json '1}' x.example", "PUT http://x.example/ application/json {\"a\":1}".to_owned()),
        ("curl -I --url x.example --compressed", "HEAD http://x.example/ - ".to_owned()),
        ("curl x.example -H 'content-type: text/plain' --data-binary hi", "POST http://x.example/ text/plain hi".to_owned()),
        ("curl x.example -H 'Host: other.example' -o /dev/null -m 5", "GET http://other.example/ - ".to_owned()),
        ("curl -- x.example", "GET http://x.example/ - ".to_owned()),
    ] {
        assert_eq!(line(command), expected, "{command}");
    }
}

#[test]
fn options_become_headers() {
    let command = "curl -u user:pass -b 'a=b; c=d' -A agent/1 -e https://from.example/ -H 'X-Api-Key: k' -H 'Accept:' -H 'X-Empty;' x.example";
    let request = parse(command).unwrap();
    for (name, expected) in [
        ("authorization", "Basic dXNlcjpwYXNz"),
        ("cookie", "a=b; c=d"),
        ("user-agent", "agent/1"),
        ("referer", "https://from.example/"),
        ("x-api-key", "k"),
        ("x-empty", ""),
    ] {
        assert_eq!(header(&request, name), Some(expected), "{name}");
    }
    let request = parse("curl https://us%65r:pass@x.example/ --oauth2-bearer t").unwrap();
    assert_eq!((header(&request, "authorization"), request.authority.as_str()), (Some("Bearer t"), "x.example"));
    let request = parse("curl https://us%65r:pass@x.example/").unwrap();
    assert_eq!(header(&request, "authorization"), Some("Basic dXNlcjpwYXNz"));
    let request = parse("curl -F a=b --form-string c=@d x.example").unwrap();
    let body = String::from_utf8(request.body.clone()).unwrap();
    assert!(body.contains("name=\"a\"\r\n\r\nb\r\n") && body.contains("\r\n\r\n@d\r\n"), "{body}");
}

#[test]
fn errors_name_options_and_repeat_nothing_else() {
    for (command, expected) in [
        ("wget secret", "begin with curl"),
        ("curl", "no URL"),
        ("curl a.example secret", "more than one URL"),
        ("curl --proto secret a.example", "--proto"),
        ("curl --Secret0123456789", "--…"),
        ("curl -Q secret", "-Q"),
        ("curl a.example -H", "-H"),
        ("curl a.example -H secret", "without a colon"),
        ("curl a.example -d @secret", "file"),
        ("curl a.example -b secret", "file"),
        ("curl a.example -F a=@secret", "file"),
        ("curl a.example --data-urlencode n@secret", "file"),
        ("curl a.example -H 'a: secret", "quote"),
        ("curl ftp://secret", "http"),
    ] {
        let error = parse(command).err().unwrap_or_else(|| panic!("{command} is read")).to_string();
        assert!(error.contains(expected) && !error.contains("ecret"), "{command} → {error}");
    }
}

proptest! {
    #[test]
    fn nothing_makes_the_readers_panic(text in "\\PC{0,200}|[a-z'\"$\\\\ \n\r:@=%?#/-]{0,200}") {
        let _ = raw::parse(&text);
        let _ = parse(&text);
        let _ = parse(&format!("curl {text}"));
        let _ = raw::parse(&format!("GET / HTTP/1.1\n{text}"));
        let _ = raw::parse(&format!("GET / HTTP/1.1\ntransfer-encoding: chunked\n\n{text}"));
    }

    #[test]
    fn a_quoted_header_arrives_as_it_was(value in "[!-&(-~]{1,60}") {
        let request = parse(&format!("curl -H 'x-key: {value}' x.example")).unwrap();
        prop_assert_eq!(header(&request, "x-key"), Some(value.as_str()));
    }
}

#[test]
fn the_longest_text_is_read_in_no_time() {
    let long = format!("curl x.example -H 'a: {}'", "x".repeat(MAX_TEXT));
    assert_eq!(header(&parse(&long).unwrap(), "a").map(str::len), Some(MAX_TEXT));
    assert!(parse(&"' ".repeat(MAX_TEXT)).is_err());
}
