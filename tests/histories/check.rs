//! Is a history linearizable? Told by the checker of `todc-utils`, after Wing, Gong and Lowe; of this project is only
//! what one operation on one key does.

use crate::record::{Act, Condition, Operation, Outcome, Value};
use todc_utils::linearizability::WGLChecker;
use todc_utils::linearizability::history::{Action, History};
use todc_utils::specifications::Specification;

/// One key: a register that may be empty.
struct Key;

impl Specification for Key {
    type State = Option<Value>;
    type Operation = (Act, Outcome);

    fn init() -> Self::State {
        None
    }

    fn apply((act, outcome): &Self::Operation, state: &Self::State) -> (bool, Self::State) {
        let Act::Write { condition, sets } = *act else {
            return (*outcome == Outcome::Read(*state), *state);
        };
        // Deleting what is not there is told as a condition that does not hold.
        let holds = match condition {
            Condition::None => sets.is_some() || state.is_some(),
            Condition::Is(value) => *state == Some(value),
            Condition::Absent => state.is_none(),
        };
        match outcome {
            Outcome::Read(_) => (false, *state),
            Outcome::Done { existed } => (holds && existed.is_none_or(|existed| existed == state.is_some()), sets),
            Outcome::Failed => (!holds, *state),
            // Ordered last it is as good as never done.
            Outcome::Unknown => (true, if holds { sets } else { *state }),
        }
    }
}

/// Whether some order explains what all clients of one key were told.
pub fn is_linearizable(history: &[Operation]) -> bool {
    // Who asks at the moment at which another is answered asks first: both orders are then allowed.
    let mut moments: Vec<_> = Vec::with_capacity(2 * history.len());
    for (number, Operation { act, outcome, start, end }) in history.iter().enumerate() {
        // A read that came to nothing says nothing.
        if (*act, *outcome) != (Act::Get, Outcome::Unknown) {
            moments.push(((Some(*start), false), number, Action::Call((*act, *outcome))));
            moments.push(((*end, true), number, Action::Response((*act, *outcome))));
        }
    }
    // What has no end ends after all others.
    moments.sort_by_key(|((at, ends), ..)| (at.is_none(), *at, *ends));
    let actions: Vec<_> = moments.into_iter().map(|(_, number, action)| (number, action)).collect();
    actions.is_empty() || WGLChecker::<Key>::is_linearizable(History::from_actions(actions))
}

/// The checker sees what is wrong, and only that: tried at the start of each run, as this program has no other tests.
pub fn probe() {
    let begun = std::time::Instant::now();
    let at = |ms: u64| begun + std::time::Duration::from_millis(ms);
    let operation =
        |act, outcome, start, end: u64| Operation { act, outcome, start: at(start), end: (end > 0).then(|| at(end)) };
    let put = |value| Act::Write { condition: Condition::None, sets: Some(value) };
    let swap = |old, new| Act::Write { condition: Condition::Is(old), sets: Some(new) };
    let delete = Act::Write { condition: Condition::None, sets: None };
    let (done, read) = (Outcome::Done { existed: None }, |value| Outcome::Read(value));
    let created = Outcome::Done { existed: Some(false) };
    for (expected, history) in [
        (true, vec![operation(put(1), created, 0, 5), operation(Act::Get, read(Some(1)), 6, 7)]),
        (false, vec![operation(put(1), created, 0, 5), operation(Act::Get, read(None), 6, 7)]),
        (true, vec![operation(put(1), created, 0, 5), operation(Act::Get, read(None), 4, 7)]),
        // An unknown write may come late, but not twice.
        (
            true,
            vec![
                operation(put(1), Outcome::Unknown, 0, 0),
                operation(Act::Get, read(None), 1, 2),
                operation(Act::Get, read(Some(1)), 3, 4),
            ],
        ),
        (
            false,
            vec![
                operation(put(1), Outcome::Unknown, 0, 0),
                operation(Act::Get, read(Some(1)), 1, 2),
                operation(delete, done, 3, 4),
                operation(Act::Get, read(Some(1)), 5, 6),
            ],
        ),
        // Of two conditional writes over one value one is done.
        (
            false,
            vec![
                operation(put(1), created, 0, 1),
                operation(swap(1, 2), done, 2, 9),
                operation(swap(1, 3), done, 2, 9),
            ],
        ),
        (
            true,
            vec![
                operation(put(1), created, 0, 1),
                operation(swap(1, 2), done, 2, 9),
                operation(swap(1, 3), Outcome::Failed, 2, 9),
                operation(delete, done, 10, 11),
                operation(delete, Outcome::Failed, 12, 13),
            ],
        ),
        (false, vec![operation(delete, done, 0, 1)]),
    ] {
        assert_eq!(is_linearizable(&history), expected, "{history:?}");
    }
}
