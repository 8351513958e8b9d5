//! A `curl` command, as people copy it from documentation and browsers. Nothing is fetched, and no file is read.

use zeroize::Zeroizing;

use super::curl_options::Meaning;
use super::request::{ParsedRequest, Unreadable, unreadable};
use super::words;

/// What the options have said so far.
#[derive(Default)]
struct Command {
    request: ParsedRequest,
    url: Option<Zeroizing<String>>,
    method: Option<String>,
    data: Zeroizing<Vec<u8>>,
    /// Its media type, once there is any.
    data_type: Option<&'static str>,
    parts: Zeroizing<Vec<u8>>,
    get: bool,
    head: bool,
}

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";
const BOUNDARY: &str = "------------------------stopleak";

/// Reads it.
pub fn parse(text: &str) -> Result<ParsedRequest, Unreadable> {
    let words = words::split(text)?;
    let mut words = words.iter().map(|word| word.as_str()).peekable();
    if words.next_if(|word| *word == "curl" || word.ends_with("/curl") || *word == "curl.exe").is_none() {
        return Err(unreadable("does not begin with curl"));
    }
    let mut command = Command::default();
    let mut options = true;
    while let Some(word) = words.next() {
        match word.strip_prefix('-').filter(|rest| options && !rest.is_empty()) {
            None => command.take_url(word)?,
            Some("-") => options = false,
            Some(rest) => match rest.strip_prefix('-') {
                Some(name) => command.long(name, &mut words)?,
                None => command.short(rest, &mut words)?,
            },
        }
    }
    command.finish()
}

impl Command {
    fn long<'w>(&mut self, name: &str, words: &mut impl Iterator<Item = &'w str>) -> Result<(), Unreadable> {
        let meaning = Meaning::of_long(name).ok_or_else(|| unknown(&format!("--{}", shown(name))))?;
        let value = if meaning.takes_value() { words.next().ok_or_else(|| lacks(&format!("--{name}")))? } else { "" };
        self.apply(meaning, value)
    }

    /// `-sXPOST` is `-s -X POST`.
    fn short<'w>(&mut self, letters: &str, words: &mut impl Iterator<Item = &'w str>) -> Result<(), Unreadable> {
        let mut rest = letters.chars();
        while let Some(letter) = rest.next() {
            let name = format!("-{}", if letter.is_ascii_graphic() { letter } else { '?' });
            let meaning = Meaning::of_short(letter).ok_or_else(|| unknown(&name))?;
            if meaning.takes_value() {
                let value = if rest.as_str().is_empty() { words.next().ok_or_else(|| lacks(&name))? } else { rest.as_str() };
                return self.apply(meaning, value);
            }
            self.apply(meaning, "")?;
        }
        Ok(())
    }

    fn apply(&mut self, meaning: Meaning, value: &str) -> Result<(), Unreadable> {
        match meaning {
            Meaning::Header => self.header(value)?,
            Meaning::Method => self.method = Some(value.to_owned()),
            Meaning::Data => self.data("&", no_file(value, "@")?.as_bytes()),
            Meaning::RawData => self.data("&", value.as_bytes()),
            Meaning::Encoded => self.encoded(value)?,
            Meaning::Json => {
                self.data("", no_file(value, "@")?.as_bytes());
                self.data_type = Some(JSON);
            }
            Meaning::Form => self.part(value, true)?,
            Meaning::FormText => self.part(value, false)?,
            Meaning::User => self.request.basic(value.as_bytes()),
            Meaning::Bearer => self.request.header("authorization", format!("Bearer {value}").as_bytes())?,
            Meaning::Value("cookie") if !value.contains('=') => return Err(file()),
            Meaning::Value(name) => self.request.header(name, value.as_bytes())?,
            Meaning::Url => self.take_url(value)?,
            Meaning::Get => self.get = true,
            Meaning::Head => self.head = true,
            Meaning::Ignored | Meaning::IgnoredWithValue => {}
        }
        Ok(())
    }

    fn take_url(&mut self, url: &str) -> Result<(), Unreadable> {
        match self.url.replace(Zeroizing::new(url.to_owned())) {
            None => Ok(()),
            Some(_) => Err(unreadable("has more than one URL; try them one by one (is a value not in quotes?)")),
        }
    }

    /// `Name: value`; `Name;` has no value, and `Name:` takes away what curl would send.
    fn header(&mut self, line: &str) -> Result<(), Unreadable> {
        let line = no_file(line, "@")?;
        match line.split_once(':') {
            Some((_, value)) if value.trim().is_empty() => Ok(()),
            Some((name, value)) => self.request.header(name.trim(), value.as_bytes()),
            None => match line.strip_suffix(';') {
                Some(name) => self.request.header(name.trim(), b""),
                None => Err(unreadable("has a header (-H) without a colon")),
            },
        }
    }

    fn data(&mut self, between: &str, data: &[u8]) {
        if self.data_type.is_some() {
            self.data.extend(between.as_bytes());
        }
        self.data_type.get_or_insert(FORM);
        self.data.extend(data);
    }

    /// `content`, `=content` or `name=content`.
    fn encoded(&mut self, value: &str) -> Result<(), Unreadable> {
        let (name, content) = match value.split_once('=') {
            Some((name, content)) => (name, content),
            None if value.contains('@') => return Err(file()),
            None => ("", value),
        };
        let content = Zeroizing::new(words::percent_encoded(content));
        let equals = if name.is_empty() { "" } else { "=" };
        self.data("&", Zeroizing::new(format!("{name}{equals}{}", *content)).as_bytes());
        Ok(())
    }

    fn part(&mut self, value: &str, may_name_a_file: bool) -> Result<(), Unreadable> {
        let (name, content) = value.split_once('=').ok_or_else(|| unreadable("has a form part (-F) without ="))?;
        if may_name_a_file && content.starts_with(['@', '<']) {
            return Err(file());
        }
        let head = format!("--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n");
        for piece in [head.as_str(), content, "\r\n"] {
            self.parts.extend(piece.as_bytes());
        }
        Ok(())
    }

    fn finish(self) -> Result<ParsedRequest, Unreadable> {
        let Self { mut request, url, method, data, data_type, mut parts, get, head } = self;
        let url = url.ok_or_else(|| unreadable("has no URL"))?;
        let host = std::mem::take(&mut request.authority);
        request.url(&url)?;
        if !host.is_empty() {
            request.authority = host;
        }
        let mut content_type = None;
        if get && data_type.is_some() {
            let data = Zeroizing::new(String::from_utf8_lossy(&data).into_owned());
            request.target.push(if request.target.contains('?') { '&' } else { '?' });
            request.target.push_str(&data);
        } else if !parts.is_empty() {
            parts.extend(format!("--{BOUNDARY}--\r\n").into_bytes());
            request.body = parts.to_vec();
            content_type = Some(format!("multipart/form-data; boundary={BOUNDARY}"));
        } else if let Some(data_type) = data_type {
            request.body = data.to_vec();
            content_type = Some(data_type.to_owned());
        }
        let usual = [("user-agent", "curl"), ("accept", if data_type == Some(JSON) { JSON } else { "*/*" })];
        let usual = usual.map(|(name, value)| (name, value.to_owned())).into_iter();
        for (name, value) in usual.chain(content_type.map(|content_type| ("content-type", content_type))) {
            if !request.has(name) {
                request.header(name, value.as_bytes())?;
            }
        }
        let usual = match (head, request.body.is_empty()) {
            (true, _) => "HEAD",
            (false, true) => "GET",
            (false, false) => "POST",
        };
        request.method = method.unwrap_or_else(|| usual.to_owned());
        Ok(request)
    }
}

/// An option's name holds no secret, unless it is none.
fn shown(name: &str) -> String {
    const MOST: usize = 24;
    let letters: String = name.chars().take_while(|c| c.is_ascii_lowercase() || *c == '-').take(MOST).collect();
    if letters.len() == name.len() { letters } else { format!("{letters}…") }
}

fn unknown(option: &str) -> Unreadable {
    Unreadable(format!("has the option {option}, which is not known here; leave it out when it says nothing about the request"))
}

fn lacks(option: &str) -> Unreadable {
    Unreadable(format!("ends after {option}, which has a value"))
}

fn no_file<'v>(value: &'v str, sign: &str) -> Result<&'v str, Unreadable> {
    if value.starts_with(sign) { Err(file()) } else { Ok(value) }
}

fn file() -> Unreadable {
    unreadable("takes something from a file, and files are not read here; write its contents instead")
}

#[cfg(test)]
mod tests;
