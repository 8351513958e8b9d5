//! The text of a request as it goes over the wire in HTTP/1.1, or as tools show it: line ends may be any, and so may the version.

use super::request::{ParsedRequest, Unreadable, unreadable};

/// Reads it.
pub fn parse(text: &str) -> Result<ParsedRequest, Unreadable> {
    let text = text.trim_start();
    let (head, body) = split(text);
    let mut lines = unfolded(head).into_iter().enumerate();
    let Some((_, first)) = lines.next() else { return Err(unreadable("is empty")) };
    let mut words = first.split_ascii_whitespace();
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        return Err(unreadable("has a first line that is not of the form GET /path HTTP/1.1"));
    };
    if !method.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-')
        || words.next().is_some_and(|word| !word.starts_with("HTTP/"))
    {
        return Err(unreadable("has a first line that is not of the form GET /path HTTP/1.1"));
    }
    let mut request = ParsedRequest::default();
    method.clone_into(&mut request.method);
    request.url(target)?;
    for (number, line) in lines {
        header(&mut request, &line).map_err(|error| Unreadable(format!("line {}: {error}", number + 1)))?;
    }
    let is_chunked = |(name, value): &(String, Vec<u8>)| name == "transfer-encoding" && value.eq_ignore_ascii_case(b"chunked");
    // Envoy joins chunks before the filter sees them.
    let joined = if request.headers.iter().any(is_chunked) { joined(body.as_bytes()) } else { None };
    request.body = joined.unwrap_or_else(|| body.as_bytes().to_vec());
    Ok(request)
}

fn header(request: &mut ParsedRequest, line: &str) -> Result<(), Unreadable> {
    // As browsers show requests of HTTP/2.
    if let Some((name, value)) = line.strip_prefix(':').and_then(|pseudo| pseudo.split_once(':')) {
        let value = value.trim();
        match name {
            "authority" => value.clone_into(&mut request.authority),
            "path" => value.clone_into(&mut request.target),
            "scheme" => value.clone_into(&mut request.scheme),
            "method" => value.clone_into(&mut request.method),
            _ => return Err(unreadable("is no header")),
        }
        return Ok(());
    }
    let (name, value) = line.split_once(':').ok_or_else(|| unreadable("is no header: it has no colon"))?;
    request.header(name.trim_end(), value.as_bytes())
}

/// Head and body, cut at the first empty line.
fn split(text: &str) -> (&str, &str) {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if line.trim_end_matches(['\r', '\n']).is_empty() {
            return (text.get(..at).unwrap_or_default(), text.get(at + line.len()..).unwrap_or_default());
        }
        at += line.len();
    }
    (text, "")
}

/// Lines; one that begins with white space goes on with the one before.
fn unfolded(head: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in head.lines() {
        match lines.last_mut().filter(|_| line.starts_with([' ', '\t'])) {
            Some(last) => {
                last.push(' ');
                last.push_str(line.trim());
            }
            None => lines.push(line.to_owned()),
        }
    }
    lines
}

/// The chunks of a body, when it consists of some.
fn joined(mut body: &[u8]) -> Option<Vec<u8>> {
    let mut joined = Vec::with_capacity(body.len());
    loop {
        let end = body.iter().position(|b| *b == b'\n')?;
        let line = std::str::from_utf8(body.get(..end)?).ok()?.trim();
        let size = usize::from_str_radix(line.split(';').next()?.trim(), 16).ok()?;
        body = body.get(end + 1..)?;
        if size == 0 {
            return Some(joined);
        }
        joined.extend(body.get(..size)?);
        body = body.get(size..)?;
        body = body.strip_prefix(b"\r\n").or_else(|| body.strip_prefix(b"\n"))?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(request: &ParsedRequest) -> (&str, &str, &str, &[u8]) {
        (&request.method, &request.authority, &request.target, &request.body)
    }

    #[test]
    fn line_ends_and_versions_may_be_any() {
        for text in [
            "POST /a?b=c HTTP/1.1\r\nHost: api.example\r\nX-Key:  v \r\n\r\n{}",
            "\n\nPOST /a?b=c HTTP/2\nhost: api.example\nx-key: v\n\n{}",
            "POST https://api.example/a?b=c\nX-Key: v\n\n{}",
            "POST /other HTTP/2\n:authority: api.example\n:path: /a?b=c\nx-key:\n v\n\n{}",
        ] {
            let request = parse(text).unwrap();
            assert_eq!(parts(&request), ("POST", "api.example", "/a?b=c", b"{}".as_slice()), "{text}");
            assert_eq!(request.headers, [("x-key".to_owned(), b"v".to_vec())], "{text}");
        }
        assert_eq!(parse("GET /").unwrap().body, b"");
    }

    #[test]
    fn chunks_are_joined() {
        let request = |body| format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
        assert_eq!(parse(&request("3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n")).unwrap().body, b"abcde");
        assert_eq!(parse(&request("no chunks")).unwrap().body, b"no chunks");
    }

    #[test]
    fn what_is_no_request_is_told_without_repeating_it() {
        for text in [
            "",
            " \n",
            "secret",
            "GET  /a secret",
            "GET ftp://secret/",
            "GET / HTTP/1.1\nsecret",
            "GET /\nse cret: 1",
            "GET /\n: secret",
        ] {
            let error = parse(text).err().unwrap_or_else(|| panic!("{text:?} is read"));
            assert!(!error.to_string().contains("cret"), "{error}");
        }
        assert!(parse("GET / HTTP/1.1\na: b\nc").err().unwrap().to_string().starts_with("line 3"));
    }
}
