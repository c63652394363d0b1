//! A world in memory that steps are carried out in, and that can lose power between any two of them.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::{Strategy, any, prop_oneof, proptest};

use super::*;
use crate::SnapshotId;

/// What is on the disk and what lives.
#[derive(Clone, Debug, Default)]
struct World {
    /// What was written in each generation.
    uppers: BTreeMap<u64, Vec<u32>>,
    alive: BTreeSet<u64>,
    held: BTreeSet<u64>,
    layers: BTreeMap<Layer, Vec<u32>>,
    memories: BTreeSet<Memory>,
    removed: bool,
}

impl World {
    fn take(&mut self, step: &Step) {
        match step {
            Step::Start { generation, from } => {
                assert!(from.layers.iter().all(|layer| self.layers.contains_key(layer)), "{from:?} in {self:?}");
                assert!(from.memory.iter().all(|memory| self.memories.contains(memory)), "{from:?} in {self:?}");
                self.uppers.insert(*generation, Vec::new());
                self.alive.insert(*generation);
            }
            Step::Hold(generation) => {
                self.held.insert(*generation);
            }
            Step::Release(generation) => {
                self.held.remove(generation);
            }
            Step::SaveMemory { generation, memory } => {
                assert!(self.alive.contains(generation) && self.held.contains(generation));
                self.memories.insert(memory.clone());
            }
            Step::End(generation) => {
                self.alive.remove(generation);
                self.held.remove(generation);
            }
            Step::Freeze { generation, layer } => {
                assert!(!self.alive.contains(generation));
                if let Some(upper) = self.uppers.remove(generation) {
                    assert!(self.layers.insert(layer.clone(), upper).is_none(), "a layer was written to");
                }
            }
            Step::Discard(generation) => {
                assert!(!self.alive.contains(generation));
                self.uppers.remove(generation);
            }
            Step::Remove => {
                self.alive.clear();
                self.uppers.clear();
                self.removed = true;
            }
        }
    }

    /// What a reader of the sandbox's disk finds.
    fn disk(&self, life: &Life) -> BTreeSet<u32> {
        let upper = life.running().and_then(|generation| self.uppers.get(&generation));
        let layers = life.saved.layers.iter().map(|layer| &self.layers[layer]);
        layers.chain(upper).flatten().copied().collect()
    }

    /// What holds whenever nothing is being done.
    fn check(&self, life: &Life) {
        match life.phase {
            Phase::Running { generation } => {
                assert_eq!(self.alive, BTreeSet::from([generation]));
                assert!(self.held.is_empty() && self.uppers.keys().eq([&generation]));
            }
            Phase::Resting { why } => {
                assert!(self.alive.is_empty() && self.uppers.is_empty());
                assert_eq!(life.saved.memory.is_some(), why == Why::Paused || why == Why::RolledBack);
            }
            Phase::Deleting => assert!(self.removed && self.alive.is_empty()),
            ref between => panic!("{between:?} is no place to stay"),
        }
        assert!(life.saved.layers.iter().all(|layer| self.layers.contains_key(layer)));
        assert!(life.saved.memory.iter().all(|memory| self.memories.contains(memory)));
    }

    /// Removes what nothing refers to, as the supervisor does when it starts.
    fn sweep(&mut self, life: &Life, snapshot: &Saved) {
        let (layers, memories) = life.keeps(&id());
        self.layers.retain(|layer, _| layers.contains(layer) || snapshot.layers.contains(layer));
        self.memories.retain(|memory| memories.contains(memory) || snapshot.memory.as_ref() == Some(memory));
    }
}

impl Observed for World {
    fn is_alive(&self, generation: u64) -> bool {
        self.alive.contains(&generation)
    }

    fn is_saved(&self, memory: &Memory) -> bool {
        self.memories.contains(memory)
    }

    fn ran_out_of_memory(&self, _: u64) -> bool {
        false
    }
}

fn id() -> SandboxId {
    SandboxId::new([1; 6])
}

/// What happens to a sandbox, in the tests.
#[derive(Clone, Debug)]
enum Act {
    Resume,
    Boot,
    Pause,
    Rollback,
    Delete,
    Write(u32),
    ProcessesEnd,
}

/// When the supervisor is killed: after so many steps, and whether the machine goes down with it.
#[derive(Clone, Copy, Debug)]
struct Crash {
    after: usize,
    with_machine: bool,
}

fn acts() -> impl Strategy<Value = Vec<(Act, Option<Crash>)>> {
    let act = prop_oneof![
        3 => proptest::strategy::Just(Act::Resume),
        1 => proptest::strategy::Just(Act::Boot),
        3 => proptest::strategy::Just(Act::Pause),
        2 => proptest::strategy::Just(Act::Rollback),
        1 => proptest::strategy::Just(Act::Delete),
        4 => any::<u32>().prop_map(Act::Write),
        1 => proptest::strategy::Just(Act::ProcessesEnd),
    ];
    let crash = (0..5usize, any::<bool>()).prop_map(|(after, with_machine)| Crash { after, with_machine });
    proptest::collection::vec((act, proptest::option::of(crash)), 1..30)
}

/// Carries out an operation; nothing where the supervisor was killed in the middle.
fn carry_out(world: &mut World, begun: &(Life, Vec<Step>), crash: Option<Crash>) -> Option<Life> {
    let (life, steps) = begun;
    for (number, step) in steps.iter().enumerate() {
        if crash.is_some_and(|crash| crash.after == number) {
            return None;
        }
        world.take(step);
    }
    if crash.is_some_and(|crash| crash.after == steps.len()) {
        return None;
    }
    let (life, tidying) = life.finish(&id());
    tidying.iter().for_each(|step| world.take(step));
    Some(life)
}

fn recover(world: &mut World, life: &Life) -> Life {
    let (after, steps) = life.recover(&id(), world);
    // Killed again in the middle of recovering, from the start: every step may be repeated.
    steps.iter().take(1).for_each(|step| world.take(step));
    let (again, steps) = life.recover(&id(), world);
    assert_eq!(after.phase, again.phase);
    steps.iter().for_each(|step| world.take(step));
    again
}

proptest! {
    #[test]
    fn whatever_is_killed_and_when_a_sandbox_is_as_before_or_as_after(acts in acts()) {
        let base = Layer::Image("base".into());
        let mut world = World::default();
        world.layers.insert(base.clone(), vec![0]);
        let snapshot = Saved { layers: vec![base], memory: Some(Memory::of_snapshot(&SnapshotId::new([2; 6]))) };
        world.memories.extend(snapshot.memory.clone());
        let begun = Life::create(Saved { memory: None, ..snapshot.clone() });
        let mut life = carry_out(&mut world, &begun, None).unwrap();

        for (act, crash) in acts {
            world.check(&life);
            let before = world.disk(&life);
            let operation = match &act {
                Act::Write(what) => {
                    let upper = life.running().and_then(|generation| world.uppers.get_mut(&generation));
                    upper.into_iter().for_each(|upper| upper.push(*what));
                    continue;
                }
                Act::ProcessesEnd => {
                    world.alive.clear();
                    life = recover(&mut world, &life);
                    assert_eq!(world.disk(&life), before, "lost with the processes");
                    continue;
                }
                Act::Resume => Operation::Resume,
                Act::Boot => Operation::Boot,
                Act::Pause => Operation::Pause,
                Act::Rollback => Operation::Rollback(snapshot.clone()),
                Act::Delete => Operation::Delete,
            };
            let Ok(begun) = life.begin(operation, &id()) else { continue };
            life = match carry_out(&mut world, &begun, crash) {
                Some(after) => after,
                None => {
                    if crash.is_some_and(|crash| crash.with_machine) {
                        world.alive.clear();
                        world.held.clear();
                    }
                    recover(&mut world, &begun.0)
                }
            };
            if life.phase == Phase::Deleting {
                assert!(world.removed && world.alive.is_empty() && world.uppers.is_empty());
                return Ok(());
            }
            world.check(&life);
            let after = world.disk(&life);
            let rolled_back = matches!(act, Act::Rollback) && after == BTreeSet::from([0]);
            assert!(after == before || rolled_back, "{before:?} became {after:?} by {act:?}");
            world.sweep(&life, &snapshot);
            world.check(&life);
        }
    }
}

#[test]
fn what_cannot_be_begun_says_why() {
    let (creating, _) = Life::create(Saved::default());
    let refusal = |life: &Life, operation| life.begin(operation, &id()).unwrap_err();
    assert_eq!(refusal(&creating, Operation::Pause), Refused::Busy);
    let (running, _) = creating.finish(&id());
    assert_eq!(refusal(&running, Operation::Resume), Refused::Running);
    let (pausing, _) = running.begin(Operation::Pause, &id()).unwrap();
    assert_eq!(refusal(&pausing, Operation::Delete), Refused::Busy);
    let (paused, _) = pausing.finish(&id());
    assert_eq!(refusal(&paused, Operation::Pause), Refused::NotRunning);
    let (deleting, _) = paused.begin(Operation::Delete, &id()).unwrap();
    assert_eq!(refusal(&deleting, Operation::Resume), Refused::Deleting);
}

#[test]
fn what_is_written_down_can_be_read_by_a_person() {
    let (creating, _) = Life::create(Saved { layers: vec![Layer::Image("0f".into())], memory: None });
    let (running, _) = creating.finish(&id());
    let (pausing, _) = running.begin(Operation::Pause, &id()).unwrap();
    let json = serde_json::to_string(&pausing.finish(&id()).0).unwrap();
    let expected = r#"{"phase":{"name":"resting","why":"paused"},"saved":{"layers":[{"own":"sb-010101010101.0"},{"image":"0f"}],"memory":"sb-010101010101.0"},"next":1}"#;
    assert_eq!(json, expected);
    assert_eq!(serde_json::from_str::<Life>(expected).unwrap(), pausing.finish(&id()).0);
}
