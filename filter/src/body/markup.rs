//! Text nodes of XML and HTML.

use std::borrow::Cow;
use std::ops::ControlFlow;

use super::escapes::entities;

/// Gives each text node to `visit`: what lies between two tags, without comments and instructions, with CDATA as it stands and references
/// resolved. Borrowed when nothing of that was in it.
pub fn nodes(text: &[u8], visit: &mut dyn FnMut(Cow<'_, [u8]>) -> ControlFlow<()>) -> ControlFlow<()> {
    if !text.contains(&b'<') {
        return ControlFlow::Continue(());
    }
    let mut node = Node::default();
    // An end that is not there is looked for once, not from every start.
    let mut missing = [false; ASIDES.len()];
    let mut rest = text;
    'text: while let Some(at) = rest.iter().position(|&b| b == b'<') {
        let (before, tag) = rest.split_at(at);
        node.push(before);
        for ((start, end), missing) in ASIDES.iter().zip(&mut missing) {
            if !*missing
                && matches!(tag, [_, b'!' | b'?', ..])
                && let Some(inner) = tag.strip_prefix(*start)
            {
                if let Some(at) = find(inner, end) {
                    let (inner, after) = inner.split_at(at);
                    node.aside(if *start == CDATA { inner } else { b"" });
                    rest = after.get(end.len()..).unwrap_or_default();
                    continue 'text;
                }
                *missing = true;
            }
        }
        node.end(visit)?;
        rest = tag.get(1..).unwrap_or_default();
        node.has_tag = true;
    }
    node.push(rest);
    node.end(visit)
}

const CDATA: &[u8] = b"<![CDATA[";

/// What may lie in the middle of a text without ending it.
const ASIDES: [(&[u8], &[u8]); 3] = [(CDATA, b"]]>"), (b"<!--", b"-->"), (b"<?", b"?>")];

/// What has been seen of a text node.
#[derive(Default)]
struct Node<'t> {
    parts: Vec<Cow<'t, [u8]>>,
    /// A tag stands before the first part.
    has_tag: bool,
}

impl<'t> Node<'t> {
    fn push(&mut self, text: &'t [u8]) {
        let text = if self.has_tag { after_tag(text) } else { text };
        self.has_tag = false;
        self.parts.push(entities(text));
    }

    /// Text that stands as it is in the middle of the node.
    fn aside(&mut self, text: &'t [u8]) {
        self.parts.push(Cow::Owned(text.to_vec()));
    }

    fn end(&mut self, visit: &mut dyn FnMut(Cow<'_, [u8]>) -> ControlFlow<()>) -> ControlFlow<()> {
        let flow = match self.parts.as_slice() {
            [Cow::Borrowed(text)] => visit(Cow::Borrowed(text)),
            parts => visit(Cow::Owned(parts.concat())),
        };
        self.parts.clear();
        flow
    }
}

/// What follows the tag's end, which is no `>` between quotes unless there is no other.
fn after_tag(text: &[u8]) -> &[u8] {
    let mut quote = None;
    let end = text.iter().position(|&b| {
        match quote {
            None if b == b'"' || b == b'\'' => quote = Some(b),
            Some(open) if b == open => quote = None,
            _ => {}
        }
        b == b'>' && quote.is_none()
    });
    let end = end.or_else(|| text.iter().position(|&b| b == b'>'));
    end.and_then(|end| text.get(end + 1..)).unwrap_or(text)
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(xml: &str) -> Vec<String> {
        let mut found = Vec::new();
        let _ = nodes(xml.as_bytes(), &mut |node| {
            if !node.is_empty() {
                found.push(String::from_utf8_lossy(&node).into_owned());
            }
            ControlFlow::Continue(())
        });
        found
    }

    #[test]
    fn a_text_is_what_a_parser_makes_of_it() {
        for (xml, expected) in [
            ("<a>x</a>", "x"),
            ("<a b='c'>x &amp; y</a>", "x & y"),
            ("<a b='c>d' e=\"&gt;\">x</a>", "x"),
            ("<a b=it's>x</a>", "x"),
            ("<a>fk_<!-- a <b> -->9a<?pi x?>Q7</a>", "fk_9aQ7"),
            ("<a><![CDATA[x<y&amp;]]></a>", "x<y&amp;"),
            ("<a>fk<![CDATA[_9]]>&#97;<![CDATA[Q]]></a>", "fk_9aQ"),
        ] {
            assert!(texts(xml).contains(&expected.to_owned()), "{xml} has {:?}", texts(xml));
        }
        assert!(texts("no tags").is_empty());
    }

    #[test]
    fn what_is_not_closed_costs_no_more() {
        for start in ["<!--", "<![CDATA[", "<?", "<", "<!--<?", "<a>"] {
            assert!(texts(&start.repeat(50_000)).len() < 200_000, "{start}");
        }
    }
}
