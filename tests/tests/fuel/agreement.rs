//! The module reads sixteen bytes at a time, which the library of the other tests does one by one: both must see the same.

use std::ops::ControlFlow;

use anyhow::Result;
use stopleak_contract::index::Kinds;
use stopleak_contract::{Canonical, Token};
use stopleak_filter::candidates;
use stopleak_filter::header_map::view;
use stopleak_filter::request::Request;

use super::{feed, module, vm};

/// The index has this one token.
const TOKENS: usize = 1;

/// More than two blocks.
const OFFSETS: usize = 35;

#[test]
fn the_module_and_the_library_see_the_same_tokens() -> Result<()> {
    let mut vm = vm(&module()?, TOKENS, Vec::new())?;
    let token = feed::token(0);
    let (mut found, mut passed) = (0, 0);
    for offset in 0..OFFSETS {
        // What Envoy lets through: no zero byte, and no line ends.
        for around in (1..=u8::MAX).filter(|byte| !matches!(byte, b'\r' | b'\n')) {
            let value = [&vec![b'x'; offset][..], &[around], token.as_bytes(), &[around], &vec![b'y'; OFFSETS - offset]].concat();
            let expected = holds(&value, &token);
            let answered = vm.request(vec![(b"x-key".to_vec(), value)], b"")?.answered;
            assert_eq!(answered == Some(403), expected, "{offset} bytes, and the token between two {around:#04x}");
            *if expected { &mut found } else { &mut passed } += 1;
        }
    }
    // Nearly all separators and punctuation, and letters, digits and the like.
    assert!(found > 100 * OFFSETS && passed > 60 * OFFSETS, "{found} found, {passed} passed");
    Ok(())
}

/// Whether the library offers the token as one of the texts of a header's value.
fn holds(value: &[u8], token: &str) -> bool {
    let parsed = Token::parse(token.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    let kinds: Kinds = [parsed.kind()].into_iter().collect();
    let headers = [(b"x-key".as_slice(), value)];
    let is_offered = candidates::visit(Request::new(&view(&headers)), None, &kinds, &mut |candidate| {
        let text = Canonical::of(candidate.text);
        if candidate.text == token.as_bytes() && text.is_token() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    is_offered.is_break()
}
