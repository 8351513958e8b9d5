//! Requests of real shapes, for measuring: what they cost is compared over versions of the filter and with other filters.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::tokens;

/// A request, and what it is called in tables.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Short, and fit for a key in a table.
    pub name: &'static str,
    /// What it stands for.
    pub what: &'static str,
    /// `:method`, `:path` and `:authority` first.
    pub headers: Vec<(&'static str, String)>,
}

/// None of their credentials has leaked: that is what nearly all requests are like.
#[must_use]
pub fn samples() -> [Sample; 3] {
    [api_call(), browser(), jwt()]
}

/// An API call with a JSON body of 16 KiB, and the body.
#[must_use]
pub fn json() -> (Sample, Vec<u8>) {
    const BYTES: usize = 16 * 1024;
    let mut body = String::from("{\"orders\": [");
    for n in 1_u64.. {
        let order = format!(
            "{{\"id\": {n}, \"reference\": \"ord-{n:06}\", \"customer\": {{\"name\": \"Ada L\\u00f6we\", \"mail\": \"ada.{n}@example.test\"}}, \
             \"note\": \"Please leave it with the neighbours.\", \"digest\": \"{:016x}\", \"paid\": true}}, ",
            n.wrapping_mul(0x9e37_79b9_7f4a_7c15)
        );
        if body.len() + order.len() > BYTES {
            break;
        }
        body.push_str(&order);
    }
    body.push_str("null]}");
    let mut sample = Sample { name: "json_body", what: "an API call with a JSON body of 16 KiB", ..api_call() };
    if let Some((_, method)) = sample.headers.first_mut() {
        "POST".clone_into(method);
    }
    sample.headers.push(("content-length", body.len().to_string()));
    (sample, body.into_bytes())
}

fn api_call() -> Sample {
    let headers = vec![
        (":method", "GET".to_owned()),
        (":path", "/v2/orders/81723?expand=items".to_owned()),
        (":authority", "api.example.test".to_owned()),
        ("user-agent", "orders-client/3.4.1".to_owned()),
        ("accept", "application/json".to_owned()),
        ("accept-encoding", "gzip".to_owned()),
        ("authorization", format!("Bearer {}", tokens::of("github-personal-access-token", 7_000_001))),
        ("content-type", "application/json".to_owned()),
        ("x-request-id", "5f0c9b1e-7d0e-4a53-9a3c-0b8f5f6b7c21".to_owned()),
        ("x-forwarded-proto", "https".to_owned()),
    ];
    Sample { name: "api_call", what: "10 headers with an opaque bearer token", headers }
}

fn browser() -> Sample {
    const COOKIE_BYTES: usize = 2_048;
    let mut cookies = format!("theme=dark; consent=functional%2Canalytics; sid={}", tokens::of("npm-access-token", 7_000_002));
    for n in 1.. {
        let cookie = format!("; _ga_{n}=GS1.1.17000{n:05}.4.1.17000{n:05}.60.0.0; exp_{n}=variant-{n}%3A{}", tokens::own(n));
        if cookies.len() + cookie.len() > COOKIE_BYTES {
            break;
        }
        cookies.push_str(&cookie);
    }
    let headers = vec![
        (":method", "GET".to_owned()),
        (":path", "/shop/catalogue/winter?page=2&sort=price%3Aasc&utm_source=newsletter&q=warm+gloves".to_owned()),
        (":authority", "www.example.test".to_owned()),
        (
            "user-agent",
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36".to_owned(),
        ),
        ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8".to_owned()),
        ("accept-language", "en-GB,en;q=0.9,de;q=0.7".to_owned()),
        ("accept-encoding", "gzip, deflate, br, zstd".to_owned()),
        ("referer", "https://www.example.test/shop/catalogue?page=1".to_owned()),
        ("sec-ch-ua", "\"Chromium\";v=\"141\", \"Not?A_Brand\";v=\"8\"".to_owned()),
        ("sec-ch-ua-mobile", "?0".to_owned()),
        ("sec-ch-ua-platform", "\"Linux\"".to_owned()),
        ("sec-fetch-dest", "document".to_owned()),
        ("sec-fetch-mode", "navigate".to_owned()),
        ("sec-fetch-site", "same-origin".to_owned()),
        ("sec-fetch-user", "?1".to_owned()),
        ("upgrade-insecure-requests", "1".to_owned()),
        ("cache-control", "max-age=0".to_owned()),
        ("cookie", cookies),
        ("x-request-id", "0d5a6f0c-4e0b-4d0e-8d3b-6f1f3c1f2a90".to_owned()),
        ("x-forwarded-proto", "https".to_owned()),
    ];
    Sample { name: "browser", what: "a page view with 2 KB of cookies", headers }
}

fn jwt() -> Sample {
    let part = |json: &str| URL_SAFE_NO_PAD.encode(json);
    let claims = r#"{"iss":"https://login.example.test/","sub":"auth0|5f7c8ec7c33c6c004bbafe82","aud":["https://api.example.test","https://example.test/userinfo"],"iat":1700000000,"exp":1700086400,"azp":"my_client_id","scope":"openid profile email read:orders write:orders","permissions":["read:orders","write:orders","read:invoices"]}"#;
    let header = r#"{"alg":"RS256","typ":"JWT","kid":"NjVBRjY5MDlCMUIwNzU4RTA2QzZFMDQ4QzQ2MDAyQjVDNjk1RTM2Qg"}"#;
    // An RS256 signature has 256 bytes.
    let token = format!("{}.{}.{}", part(header), part(claims), URL_SAFE_NO_PAD.encode([0xa7; 256]));
    let headers = vec![
        (":method", "POST".to_owned()),
        (":path", "/v2/orders".to_owned()),
        (":authority", "api.example.test".to_owned()),
        ("user-agent", "okhttp/4.12.0".to_owned()),
        ("accept", "application/json".to_owned()),
        ("accept-encoding", "gzip".to_owned()),
        ("authorization", format!("Bearer {token}")),
        ("content-type", "application/json; charset=utf-8".to_owned()),
        ("content-length", "0".to_owned()),
        ("x-request-id", "c7a9f3d2-11ab-4f0d-9a53-2d1d7c0b8e44".to_owned()),
        ("x-forwarded-proto", "https".to_owned()),
    ];
    Sample { name: "jwt", what: "an API call with a JWT of about 900 bytes", headers }
}
