//! The engine: one pass of a keyword automaton over the text, and a rule's pattern only where a keyword stands.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use crate::canary::is_canary;
use crate::changed::Locality;
use crate::checksum::Proof;
use crate::decode::{MARKS, Marks, SHORT_MARKS};
use crate::overlap::{Claim, settle};
use crate::rule::{Rule, Tier};
use crate::windows::{Matched, Windows};
use crate::{Checksum, Claims, Confidence, Reason, Rules, boundary, jwt, plausible};

/// No token is longer; a large PGP private key comes closest.
pub(crate) const TOKEN_MAX: usize = 16 << 10;

/// Finds tokens in bytes. Cheap to share between threads, costly to build: build one for a scan.
#[derive(Clone)]
pub struct Detector {
    rules: Vec<Arc<Rule>>,
    keywords: AhoCorasick,
    /// The rules that each keyword of the automaton wakes.
    woken: Vec<Vec<usize>>,
    /// The rules to try beside what each rule finds.
    companions: Vec<Vec<usize>>,
    /// The rules that run over every text, since they have no keywords.
    always: Vec<usize>,
    version: String,
    generic: bool,
    /// Worked out at its first use.
    locality: OnceLock<Locality>,
}

/// A token in the text.
#[derive(Clone, Debug)]
pub struct Match<'d> {
    /// The format.
    pub rule: &'d Rule,
    /// The token's bytes, without quotes or a name around them.
    pub span: Range<usize>,
    /// How sure it is.
    pub confidence: Confidence,
    /// Why.
    pub reasons: Vec<Reason>,
    /// Whether it was decoded: then the bytes at `span` are not the token but what it was decoded from.
    pub decoded: bool,
    /// What a JSON Web Token says about itself.
    pub claims: Option<Claims>,
    /// For [`Rule::holds_at`]: the lists of the rule that allow this token at some paths.
    pub lists: Vec<usize>,
}

impl Detector {
    /// A detector of provider formats.
    #[must_use]
    pub fn new(rules: &Rules) -> Self {
        Self::build(rules, false)
    }

    /// A detector that also reports generic assignments such as `api_key = "…"`, which are often no secrets.
    #[must_use]
    pub fn with_generic(rules: &Rules) -> Self {
        Self::build(rules, true)
    }

    /// Which rules this detector uses; changes with every change of a rule.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Whether what has low confidence is reported.
    #[must_use]
    pub const fn is_generic(&self) -> bool {
        self.generic
    }

    /// The rules in use.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter().map(AsRef::as_ref)
    }

    /// Calls `found` for every token in `bytes`, in the order of the text. Nothing is decoded: see [`Self::scan_decoded`].
    pub fn scan<'d>(&'d self, bytes: &[u8], found: impl FnMut(Match<'d>)) {
        self.matches(bytes, &mut Marks::default()).for_each(found);
    }

    /// The tokens in `bytes`; `marks` learns where escapes are.
    pub(crate) fn matches<'d>(&'d self, bytes: &[u8], marks: &mut Marks) -> impl Iterator<Item = Match<'d>> + use<'d> {
        let mut claims = self.claims(bytes, marks);
        self.pair(bytes, &mut claims);
        let matches: Vec<_> = settle(claims).into_iter().map(|claim| self.explain(claim, bytes)).collect();
        matches.into_iter()
    }

    /// How far the tokens of these rules reach.
    pub(crate) fn locality(&self) -> &Locality {
        self.locality.get_or_init(|| Locality::of(self.rules()))
    }

    fn build(rules: &Rules, generic: bool) -> Self {
        let version = if generic { format!("{}+generic", rules.version()) } else { rules.version() };
        let rules = rules.of_tiers(generic);
        let mut texts: Vec<String> = Vec::new();
        let mut woken: Vec<Vec<usize>> = Vec::new();
        for (index, rule) in rules.iter().enumerate() {
            for keyword in rule.keywords() {
                let keyword = keyword.to_ascii_lowercase();
                let place = texts.iter().position(|text| *text == keyword).unwrap_or_else(|| {
                    texts.push(keyword);
                    woken.push(Vec::new());
                    texts.len() - 1
                });
                if !woken[place].contains(&index) {
                    woken[place].push(index);
                }
            }
        }
        // Behind the keywords, so that they are told apart by their numbers.
        texts.extend(MARKS.iter().chain(SHORT_MARKS).map(|&mark| mark.to_owned()));
        let keywords = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::DFA))
            .ascii_case_insensitive(true)
            .build(&texts)
            // It fails only when there are more states than 2³¹; the rule file's size limit is far below.
            .expect("the keywords fit an automaton");
        let beside = |rule: &Rule| {
            let companions = rules.iter().enumerate().filter(|(_, other)| other.beside().iter().any(|id| id == rule.id()));
            companions.map(|(index, _)| index).collect()
        };
        let companions = rules.iter().map(|rule| beside(rule)).collect();
        let always =
            (0..rules.len()).filter(|&index| rules[index].keywords().is_empty() && rules[index].beside().is_empty()).collect();
        Self { rules, keywords, woken, companions, always, version, generic, locality: OnceLock::new() }
    }

    /// Looks for what is known only beside what was found: the secrets of key IDs.
    fn pair(&self, bytes: &[u8], claims: &mut Vec<Claim>) {
        let mut secrets = Vec::new();
        for claim in claims.iter_mut() {
            for &index in &self.companions[claim.rule] {
                let rule = &self.rules[index];
                let around = claim.span.start.saturating_sub(rule.window())..(claim.span.end + rule.window()).min(bytes.len());
                let from = secrets.len();
                // What stands behind the key ID is its own secret more often than what stands before it.
                self.windowed(index, bytes, claim.span.end..around.end, &mut secrets);
                if secrets.len() == from {
                    self.windowed(index, bytes, around.start..claim.span.start, &mut secrets);
                }
                claim.paired |= secrets.len() > from;
            }
        }
        claims.extend(secrets.into_iter().map(|secret| Claim { paired: true, ..secret }));
    }

    /// What a claim is worth, and why.
    fn explain(&self, claim: Claim, bytes: &[u8]) -> Match<'_> {
        let rule = &self.rules[claim.rule];
        let token = &bytes[claim.span.clone()];
        let form = match claim.confidence {
            Confidence::Certain => Reason::Checksum,
            Confidence::High => Reason::Format,
            Confidence::Low => Reason::Assignment,
        };
        let more = [(Reason::SecretNearby, claim.paired), (Reason::Canary, is_canary(token))];
        Match {
            rule,
            span: claim.span,
            confidence: claim.confidence,
            reasons: std::iter::once(form)
                .chain(more.into_iter().filter(|&(_, holds)| holds).map(|(reason, _)| reason))
                .collect(),
            decoded: false,
            lists: claim.lists,
            claims: (rule.checksum() == Checksum::Jwt).then(|| jwt::read(token)).flatten(),
        }
    }

    fn claims(&self, bytes: &[u8], marks: &mut Marks) -> Vec<Claim> {
        let mut claims = Vec::new();
        let (mut windows, mut matched) = (Windows::default(), Matched::default());
        for hit in self.keywords.find_overlapping_iter(bytes) {
            let Some(woken) = self.woken.get(hit.pattern().as_usize()) else {
                marks.note(hit.pattern().as_usize() - self.woken.len(), hit.start());
                continue;
            };
            for &index in woken {
                let rule = &self.rules[index];
                if rule.is_anchored() {
                    if !matched.covers(index, hit.start())
                        && let Some(found) = anchored(rule, bytes, hit.range())
                    {
                        matched.add(index, &found.span);
                        let Found { span, confidence } = found;
                        claims.extend(confidence.map(|confidence| Claim::new(index, span, confidence, hit.len())));
                    }
                    continue;
                }
                let start = hit.start().saturating_sub(rule.window());
                let end = hit.end().saturating_add(rule.window()).min(bytes.len());
                if let Some(ready) = windows.add(index, start..end) {
                    self.windowed(index, bytes, ready, &mut claims);
                }
            }
        }
        for &index in &self.always {
            self.windowed(index, bytes, 0..bytes.len(), &mut claims);
        }
        for (index, stretch) in windows.finish() {
            self.windowed(index, bytes, stretch, &mut claims);
        }
        claims
    }

    /// Reads one stretch of text with a rule whose keyword may stand before, in or after the token.
    fn windowed(&self, index: usize, bytes: &[u8], stretch: Range<usize>, claims: &mut Vec<Claim>) {
        let rule = &self.rules[index];
        if let Some(foreign) = rule.as_foreign() {
            return foreign.claims(index, rule, bytes, claims);
        }
        let text = &bytes[..stretch.end];
        let keyword = rule.keywords().iter().map(String::len).max().unwrap_or_default();
        let mut at = stretch.start;
        while at < stretch.end {
            let Some(groups) = rule.regex().captures_at(text, at) else { return };
            let Some(whole) = groups.get(0) else { return };
            let span = groups.get(1).unwrap_or(whole).range();
            let begins = groups.len() > 1 || boundary::begins(bytes, span.start, rule.boundary());
            let claim = if begins && span.len() <= TOKEN_MAX { judge(rule, bytes, &span, 0) } else { None };
            let claim = claim.map(|confidence| Claim::new(index, span, confidence, keyword));
            // A refused match may hide a real one that begins inside it, unless it is longer than tokens are: of a run of letters that all
            // match, to try each would cost its length squared.
            let is_over = claim.is_some() || whole.len() >= Matched::LONG;
            at = if is_over { whole.end().max(at + 1) } else { whole.start().max(at) + 1 };
            claims.extend(claim);
        }
    }
}

impl fmt::Debug for Detector {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Detector").field("version", &self.version).field("rules", &self.rules.len()).finish_non_exhaustive()
    }
}

/// What a pattern matched, and what that is worth if it is a token.
struct Found {
    span: Range<usize>,
    confidence: Option<Confidence>,
}

/// Tries a rule whose tokens begin with the keyword that stands at `hit`.
fn anchored(rule: &Rule, bytes: &[u8], hit: Range<usize>) -> Option<Found> {
    // Cheaper than the pattern, and keeps a text such as `eyJeyJeyJ…` from costing its length squared.
    if rule.checksum() == Checksum::None || rule.is_structured() {
        boundary::begins(bytes, hit.start, rule.boundary()).then_some(())?;
    }
    let text = &bytes[hit.start..bytes.len().min(hit.start + TOKEN_MAX)];
    let regex = rule.regex();
    let inner = if regex.captures_len() == 1 { regex.find(text)?.range() } else { regex.captures(text)?.get(1)?.range() };
    let span = hit.start + inner.start..hit.start + inner.end;
    let prefix = if inner.start == 0 { hit.len() } else { 0 };
    let confidence = judge(rule, bytes, &span, prefix);
    Some(Found { span, confidence })
}

/// Whether a match is a token, and how sure that is.
fn judge(rule: &Rule, bytes: &[u8], span: &Range<usize>, prefix: usize) -> Option<Confidence> {
    let token = &bytes[span.clone()];
    let body = token.get(prefix..).unwrap_or(token);
    match rule.checksum().prove(token, prefix) {
        Proof::Certain => return Some(Confidence::Certain),
        Proof::Wrong => return None,
        Proof::Plausible => {}
    }
    if !boundary::ends(bytes, span.end, rule.boundary()) || plausible::has_stop_word(body) {
        return None;
    }
    if !rule.is_structured() && (plausible::is_placeholder(body) || !plausible::is_random(body, rule.min_entropy())) {
        return None;
    }
    match rule.tier() {
        Tier::Format => Some(Confidence::High),
        Tier::Generic => plausible::mixes_letters_and_digits(body).then_some(Confidence::Low),
    }
}

#[cfg(test)]
mod tests;
