//! Every trajectory through the gateway, with handles and with the vendor's ids: nothing is written to anybody whom the goal does
//! not name, refusals say what to do, and work is done where it can be.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "tests fail by panicking")]

use std::collections::BTreeSet;

use futures_util::StreamExt;
use quartermaster_safety::{Class, Mode, Trajectory, all, through_gateway, through_naive_server};

/// The least that the suite has.
const TRAJECTORIES_MIN: usize = 200;

#[test]
fn there_are_enough_of_them_and_each_has_a_name() {
    let all = all();
    assert!(all.len() >= TRAJECTORIES_MIN, "{}", all.len());
    let names: BTreeSet<&str> = all.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names.len(), all.len());
    for class in Class::ALL {
        assert!(all.iter().any(|one| one.class == class), "{class:?}");
    }
}

async fn holds(trajectory: &Trajectory, mode: Mode) {
    let name = format!("{} ({mode:?})", trajectory.name);
    let through = through_gateway(trajectory, mode).await;
    assert!(through.writes.wrong.is_empty(), "{name}: {through:#?}");
    assert!(through.harmed.is_empty(), "{name}: {through:#?}");
    assert!(through.unexplained.is_empty(), "{name}: {through:#?}");
    assert!(through.is_done, "{name}: {through:#?}");
    if trajectory.refused {
        assert!(!through.refusals.is_empty(), "{name}: nothing was refused: {through:#?}");
    }
    match trajectory.class {
        Class::Lie => assert!(through.is_flagged, "{name}: the outcome believes it: {through:#?}"),
        Class::Loop | Class::Endless => assert!(!through.ended_by.is_empty(), "{name}: {through:#?}"),
        _ => {}
    }
}

async fn class(class: Class) {
    let all: Vec<Trajectory> = all().into_iter().filter(|one| one.class == class).collect();
    let runs = all.iter().flat_map(|one| [(one, Mode::Handles), (one, Mode::Ids)]);
    futures_util::stream::iter(runs).for_each_concurrent(6, |(one, mode)| holds(one, mode)).await;
}

macro_rules! classes {
    ($($name:ident: $class:ident),+ $(,)?) => {
        $(
            #[tokio::test]
            async fn $name() {
                class(Class::$class).await;
            }
        )+
    };
}

classes! {
    gold: Gold,
    invented_ids: InventedId,
    emails_as_ids: EmailAsId,
    one_character_off: OneCharacterOff,
    wrong_rows: WrongRow,
    injections: Injection,
    overreach: Overreach,
    protected_people: Protected,
    wrong_verbs: WrongVerb,
    unknown_tools: UnknownTool,
    malformed_arguments: MalformedArguments,
    path_tricks: PathTrick,
    parallel_calls: Parallel,
    loops: Loop,
    endless_models: Endless,
    lies: Lie,
    foreign_ids: Foreign,
    faults: Fault,
}

/// The comparison means something: the same mistakes do harm where nobody looks.
#[tokio::test]
async fn a_naive_server_does_what_it_is_told() {
    let harm = |one: &&Trajectory| matches!(one.class, Class::WrongRow | Class::Overreach);
    for trajectory in all().iter().filter(harm).take(4) {
        let naive = through_naive_server(trajectory).await;
        assert!(!naive.writes.wrong.is_empty(), "{}: {naive:?}", trajectory.name);
    }
}
