//! Text that comes from a source or a server, as it may be shown: it must not move the cursor, change the terminal's title, or
//! make what follows look like something else.

/// Replaces control characters, and those that turn the direction of writing.
pub(crate) fn printable(text: &str) -> String {
    let turns = |c| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if c.is_control() || turns(c) { '�' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn what_a_terminal_would_obey_is_replaced() {
        assert_eq!(printable("a\u{1b}]0;x\u{7}b\n\u{9b}2J"), "a�]0;x�b��2J");
        assert_eq!(printable("a\u{202e}txt\u{2069}.exe"), "a�txt�.exe");
        assert_eq!(printable("Größe 大"), "Größe 大");
    }
}
