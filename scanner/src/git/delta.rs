//! An object as the difference to another one: what is copied from that, and what is new.

use std::ops::Range;

/// Why a difference makes no object.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is not made of its base as it says")]
pub(super) struct Damaged;

/// Makes `target` of `base`, which may have `limit` bytes, and notes what is new in it: `changes` are the stretches that were not copied,
/// and, empty, the seams of those that were and did not stand side by side.
pub(super) fn apply(
    base: &[u8],
    mut delta: &[u8],
    limit: u64,
    target: &mut Vec<u8>,
    changes: &mut Vec<Range<usize>>,
) -> Result<(), Damaged> {
    target.clear();
    changes.clear();
    if size(&mut delta)? != base.len() as u64 {
        return Err(Damaged);
    }
    let end = size(&mut delta)?;
    let length = usize::try_from(end).ok().filter(|_| end <= limit).ok_or(Damaged)?;
    target.reserve(length);
    // Where a copy would go on that has no seam in front of it: as if something ended at the beginning of both.
    let mut goes_on = Some(0);
    while let Some((&code, rest)) = delta.split_first() {
        delta = rest;
        let at = target.len();
        if code & 0x80 == 0 {
            let new = take(&mut delta, usize::from(code))?;
            if new.is_empty() {
                return Err(Damaged);
            }
            target.extend_from_slice(new);
            note(changes, at..target.len());
            goes_on = None;
        } else {
            let copied = copied(code, &mut delta)?;
            if goes_on.is_some_and(|end| end != copied.start) {
                note(changes, at..at);
            }
            goes_on = Some(copied.end);
            target.extend_from_slice(base.get(copied).ok_or(Damaged)?);
        }
        if target.len() > length {
            return Err(Damaged);
        }
    }
    if target.len() < length {
        return Err(Damaged);
    }
    if goes_on.is_some_and(|end| end != base.len()) {
        note(changes, length..length);
    }
    Ok(())
}

/// Adds a change; one that begins where the last one ends is the same.
fn note(changes: &mut Vec<Range<usize>>, change: Range<usize>) {
    match changes.last_mut() {
        Some(last) if last.end == change.start => last.end = change.end,
        _ => changes.push(change),
    }
}

/// What an instruction copies: the bits of its code say which bytes of offset and size follow.
fn copied(code: u8, delta: &mut &[u8]) -> Result<Range<usize>, Damaged> {
    let mut number = |bits: Range<u8>| {
        bits.enumerate()
            .filter(|(_, bit)| code >> bit & 1 == 1)
            .try_fold(0_usize, |number, (place, _)| Ok(number | usize::from(take(delta, 1)?[0]) << (8 * place)))
    };
    let start = number(0..4)?;
    let size = match number(4..7)? {
        0 => 0x1_0000,
        size => size,
    };
    Ok(start..start.checked_add(size).ok_or(Damaged)?)
}

/// A number of seven bits a byte, the lowest first.
fn size(delta: &mut &[u8]) -> Result<u64, Damaged> {
    let mut number = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let byte = take(delta, 1)?[0];
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(Damaged)
}

fn take<'d>(delta: &mut &'d [u8], count: usize) -> Result<&'d [u8], Damaged> {
    let (taken, rest) = delta.split_at_checked(count).ok_or(Damaged)?;
    *delta = rest;
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was made, and where each change begins and ends.
    type Applied = Result<(Vec<u8>, Vec<(usize, usize)>), Damaged>;

    fn applied(base: &[u8], delta: &[u8]) -> Applied {
        let (mut target, mut changes) = (Vec::new(), Vec::new());
        apply(base, delta, 100, &mut target, &mut changes)?;
        Ok((target, changes.into_iter().map(|change| (change.start, change.end)).collect()))
    }

    #[test]
    fn what_is_new_and_where_copies_meet_is_noted() {
        let base = b"0123456789";
        // All of it, in two copies.
        assert_eq!(applied(base, &[10, 10, 0x90, 4, 0x91, 4, 6]), Ok((base.to_vec(), vec![])));
        // Something in the middle.
        let middle = applied(base, &[10, 12, 0x90, 4, 2, b'a', b'b', 0x91, 4, 6]);
        assert_eq!(middle, Ok((b"0123ab456789".to_vec(), vec![(4, 6)])));
        // The end is gone, and so is the beginning.
        assert_eq!(applied(base, &[10, 4, 0x90, 4]), Ok((b"0123".to_vec(), vec![(4, 4)])));
        assert_eq!(applied(base, &[10, 6, 0x91, 4, 6]), Ok((b"456789".to_vec(), vec![(0, 0)])));
        // Another order.
        assert_eq!(applied(base, &[10, 10, 0x91, 5, 5, 0x90, 5]), Ok((b"5678901234".to_vec(), vec![(0, 0), (5, 5), (10, 10)])));
        assert_eq!(applied(base, &[10, 2, 1, b'a', 1, b'b']), Ok((b"ab".to_vec(), vec![(0, 2)])));
    }

    #[test]
    fn what_makes_no_object_is_refused() {
        let base = b"0123456789";
        for (problem, delta) in [
            ("no sizes", &[][..]),
            ("another base", &[9, 1, 1, b'a']),
            ("too large", &[10, 101, 0x90, 10]),
            ("endless size", &[0xff; 20]),
            ("copy behind the end", &[10, 6, 0x91, 8, 6]),
            ("copy of what is nowhere", &[10, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
            ("instruction without meaning", &[10, 1, 0]),
            ("cut short", &[10, 4, 4, b'a']),
            ("less than it says", &[10, 4, 1, b'a']),
            ("more than it says", &[10, 1, 0x90, 10]),
        ] {
            assert_eq!(applied(base, delta), Err(Damaged), "{problem}");
        }
    }
}
