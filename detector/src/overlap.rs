//! One token at one place is reported once, by the rule that knows most about it.

use std::ops::Range;

use crate::Confidence;

/// A match before it is settled which rule may claim its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) rule: usize,
    pub(crate) span: Range<usize>,
    pub(crate) confidence: Confidence,
    /// The length of the keyword that led here: `sk-ant-` knows more than `sk-`.
    pub(crate) keyword: usize,
    /// A key ID and its secret were found side by side, and this is one of them.
    pub(crate) paired: bool,
    /// The lists of the rule that allow it at some paths.
    pub(crate) lists: Vec<usize>,
}

/// Keeps the best of each group of claims that share bytes, in the order of the text.
pub(crate) fn settle(mut claims: Vec<Claim>) -> Vec<Claim> {
    claims.sort_by_key(|claim| (claim.span.start, claim.span.end, claim.rule));
    let mut settled: Vec<Claim> = Vec::with_capacity(claims.len());
    for claim in claims {
        match settled.last_mut() {
            Some(last) if claim.span.start < last.span.end => {
                let paired = last.paired || claim.paired;
                if claim.strength() > last.strength() {
                    *last = claim;
                }
                last.paired = paired;
            }
            _ => settled.push(claim),
        }
    }
    settled
}

impl Claim {
    pub(crate) fn new(rule: usize, span: Range<usize>, confidence: Confidence, keyword: usize) -> Self {
        Self { rule, span, confidence, keyword, paired: false, lists: Vec::new() }
    }

    fn strength(&self) -> (Confidence, usize, usize) {
        (self.confidence, self.keyword, self.span.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(rule: usize, span: Range<usize>, confidence: Confidence, keyword: usize) -> Claim {
        Claim::new(rule, span, confidence, keyword)
    }

    #[test]
    fn the_stronger_claim_gets_the_bytes() {
        let claims = vec![
            claim(0, 0..10, Confidence::High, 3),
            claim(1, 0..10, Confidence::High, 7),
            claim(2, 20..30, Confidence::Low, 9),
            claim(3, 25..40, Confidence::Certain, 4),
            claim(3, 25..40, Confidence::Certain, 4),
            claim(4, 40..50, Confidence::Low, 4),
        ];
        let rules: Vec<_> = settle(claims).into_iter().map(|claim| claim.rule).collect();
        assert_eq!(rules, [1, 3, 4]);
    }
}
