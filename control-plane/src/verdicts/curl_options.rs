//! What `curl`'s options mean here.

/// What an option does to the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// The next word is a header.
    Header,
    /// The next word is the method.
    Method,
    /// The next word is data of a form; `@` would name a file.
    Data,
    /// The same, without a meaning of `@`.
    RawData,
    /// The same, percent-encoded.
    Encoded,
    /// The next word is JSON.
    Json,
    /// The next word is a part of a multipart form.
    Form,
    /// The same, without a meaning of `@` and `<`.
    FormText,
    /// The next word is `user:password`.
    User,
    /// The next word is a bearer token.
    Bearer,
    /// The next word is the value of this header.
    Value(&'static str),
    /// The next word is the URL.
    Url,
    /// Data goes into the query.
    Get,
    /// `HEAD`.
    Head,
    /// Says nothing about the request.
    Ignored,
    /// Says nothing about the request, and the next word belongs to it.
    IgnoredWithValue,
}

use Meaning::{
    Bearer, Data, Encoded, Form, FormText, Get, Head, Header, Ignored, IgnoredWithValue, Json, Method, RawData, Url, User, Value,
};

/// Short name (a space for none), long name, meaning.
const OPTIONS: [(char, &str, Meaning); 62] = [
    ('H', "header", Header),
    ('X', "request", Method),
    ('d', "data", Data),
    (' ', "data-ascii", Data),
    (' ', "data-binary", Data),
    (' ', "data-raw", RawData),
    (' ', "data-urlencode", Encoded),
    (' ', "json", Json),
    ('F', "form", Form),
    (' ', "form-string", FormText),
    ('u', "user", User),
    (' ', "oauth2-bearer", Bearer),
    ('b', "cookie", Value("cookie")),
    ('A', "user-agent", Value("user-agent")),
    ('e', "referer", Value("referer")),
    ('r', "range", Value("range")),
    (' ', "url", Url),
    ('G', "get", Get),
    ('I', "head", Head),
    (' ', "compressed", Ignored),
    (' ', "basic", Ignored),
    ('s', "silent", Ignored),
    ('S', "show-error", Ignored),
    ('L', "location", Ignored),
    (' ', "location-trusted", Ignored),
    ('k', "insecure", Ignored),
    ('v', "verbose", Ignored),
    ('i', "include", Ignored),
    (' ', "show-headers", Ignored),
    ('f', "fail", Ignored),
    (' ', "fail-with-body", Ignored),
    ('g', "globoff", Ignored),
    ('N', "no-buffer", Ignored),
    ('#', "progress-bar", Ignored),
    (' ', "no-progress-meter", Ignored),
    ('O', "remote-name", Ignored),
    ('J', "remote-header-name", Ignored),
    ('n', "netrc", Ignored),
    ('0', "http1.0", Ignored),
    (' ', "http1.1", Ignored),
    (' ', "http2", Ignored),
    (' ', "http2-prior-knowledge", Ignored),
    (' ', "http3", Ignored),
    (' ', "path-as-is", Ignored),
    (' ', "ssl-no-revoke", Ignored),
    ('4', "ipv4", Ignored),
    ('6', "ipv6", Ignored),
    ('o', "output", IgnoredWithValue),
    ('c', "cookie-jar", IgnoredWithValue),
    ('D', "dump-header", IgnoredWithValue),
    ('w', "write-out", IgnoredWithValue),
    ('m', "max-time", IgnoredWithValue),
    (' ', "connect-timeout", IgnoredWithValue),
    (' ', "retry", IgnoredWithValue),
    (' ', "retry-delay", IgnoredWithValue),
    (' ', "max-redirs", IgnoredWithValue),
    ('x', "proxy", IgnoredWithValue),
    (' ', "resolve", IgnoredWithValue),
    (' ', "cacert", IgnoredWithValue),
    ('E', "cert", IgnoredWithValue),
    (' ', "key", IgnoredWithValue),
    (' ', "trace-ascii", IgnoredWithValue),
];

impl Meaning {
    /// Of `--name`.
    pub fn of_long(name: &str) -> Option<Self> {
        OPTIONS.iter().find(|(_, long, _)| *long == name).map(|(.., meaning)| *meaning)
    }

    /// Of `-n`.
    pub fn of_short(name: char) -> Option<Self> {
        OPTIONS.iter().find(|(short, ..)| *short == name && name != ' ').map(|(.., meaning)| *meaning)
    }

    /// Whether the next word belongs to it.
    pub fn takes_value(self) -> bool {
        !matches!(self, Get | Head | Ignored)
    }
}
