//! Sandboxes under `kill -9` of their supervisor: what was acknowledged is there, what was not is as before or as after, and
//! when all are deleted, nothing of them is left on the machine.

use std::collections::BTreeMap;
use std::time::Duration;

use exeat_tests::{Ran, Scenario, left_over, runsc, skip};
use nix::sys::signal::Signal;
use serde_json::Value;

const SEED: u64 = 0x5a4d_b0c5;

/// How often, where nobody says: a minute. `EXEAT_OPERATIONS` and `EXEAT_ROUNDS` say otherwise.
const OPERATIONS: usize = 40;
const ROUNDS: usize = 6;
/// Sandboxes at the same time.
const SANDBOXES: usize = 4;

/// What a sandbox's file may hold: one value, or either of two where nobody was told.
type Held = Vec<u32>;

struct World {
    scenario: Scenario,
    random: u64,
    sandboxes: BTreeMap<String, Held>,
    /// Snapshots by id, with what they hold.
    snapshots: BTreeMap<String, (String, Held)>,
    next: u32,
    kills: usize,
}

#[tokio::test(flavor = "multi_thread")]
async fn random_operations_and_kills_lose_nothing_and_leave_nothing() {
    if runsc().is_none() {
        return skip("runsc");
    }
    println!("seed {SEED:#x}");
    let mut world = World::new().await;
    for _ in 0..times("EXEAT_OPERATIONS", OPERATIONS) {
        world.step().await;
    }
    assert!(world.kills > 0, "nothing was killed");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rounds_of_snapshot_rollback_and_fork_with_kills_leave_nothing() {
    if runsc().is_none() {
        return skip("runsc");
    }
    let mut world = World::new().await;
    for _ in 0..times("EXEAT_ROUNDS", ROUNDS) {
        world.round().await;
    }
    world.end().await;
}

fn times(variable: &str, usually: usize) -> usize {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(usually)
}

impl World {
    async fn new() -> Self {
        let scenario = Scenario::usual().start().await;
        let (sandboxes, snapshots) = (BTreeMap::new(), BTreeMap::new());
        World { scenario, random: SEED, sandboxes, snapshots, next: 0, kills: 0 }
    }

    fn random(&mut self, below: usize) -> usize {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) as usize % below
    }

    /// `exeat sandbox …`; where the dice say so, the supervisor is killed in the middle of it.
    async fn sandbox(&mut self, arguments: &[&str], may_kill: bool) -> (Ran, bool) {
        let all: Vec<&str> = ["sandbox"].into_iter().chain(arguments.iter().copied()).collect();
        if !may_kill || self.random(4) != 0 {
            let ran = self.scenario.exeat(&all).await;
            println!("{} → {}", all.join(" "), ran.code);
            return (ran, false);
        }
        // Not a wait for something: the moment of the crash is what is random.
        let moment = Duration::from_millis(self.random(250) as u64);
        let mut command = self.scenario.command(&all);
        let running = tokio::spawn(async move { exeat_tests::run(&mut command).await });
        tokio::time::sleep(moment).await;
        self.scenario.signal(Signal::SIGKILL);
        let ran = running.await.unwrap();
        println!("{} → {}, killed after {moment:?}", all.join(" "), ran.code);
        self.kills += 1;
        self.scenario.restart().await;
        (ran, true)
    }

    async fn step(&mut self) {
        if self.sandboxes.is_empty() || (self.sandboxes.len() < SANDBOXES && self.random(4) == 0) {
            return self.create(true).await;
        }
        let number = self.random(self.sandboxes.len());
        let name = self.sandboxes.keys().nth(number).unwrap().clone();
        match self.random(9) {
            0 | 1 => self.write(&name, true).await,
            2 => self.plainly("pause", &name).await,
            3 => self.plainly("resume", &name).await,
            4 => drop(self.snapshot(&name, "--label=live", true).await),
            5 => drop(self.snapshot(&name, "--disk", true).await),
            6 => self.rollback(&name, true).await,
            7 => self.fork(true).await,
            _ => self.delete(&name, true).await,
        }
        self.check().await;
    }

    async fn round(&mut self) {
        self.create(false).await;
        let name = self.sandboxes.keys().next().unwrap().clone();
        self.write(&name, false).await;
        self.snapshot(&name, "--label=round", true).await;
        self.write(&name, true).await;
        self.rollback(&name, true).await;
        self.fork(true).await;
        self.check().await;
        for name in self.sandboxes.keys().cloned().collect::<Vec<_>>() {
            self.delete(&name, true).await;
        }
        for id in self.snapshots.keys().cloned().collect::<Vec<_>>() {
            let (ran, _) = self.sandbox(&["snapshots", "delete", &id], false).await;
            assert_eq!(ran.code, 0, "{}", ran.said());
            self.snapshots.remove(&id);
        }
    }

    async fn create(&mut self, may_kill: bool) {
        self.next += 1;
        let name = format!("s{}", self.next);
        let (ran, killed) = self.sandbox(&["create", &name], may_kill).await;
        if killed {
            self.believe(&name, vec![0]).await;
        } else {
            assert_eq!(ran.code, 0, "{}", ran.said());
            self.sandboxes.insert(name, vec![0]);
        }
    }

    async fn write(&mut self, name: &str, may_kill: bool) {
        self.next += 1;
        let value = self.next;
        let script = format!("echo {value} > /workspace/new && mv /workspace/new /workspace/value && sync");
        let (ran, killed) = self.sandbox(&["exec", name, "--", "sh", "-c", &script], may_kill).await;
        if ran.code == 0 {
            self.sandboxes.insert(name.to_owned(), vec![value]);
        } else {
            assert!(killed, "{}", ran.said());
            self.sandboxes.get_mut(name).unwrap().push(value);
        }
    }

    /// An operation that changes nothing that the sandbox holds.
    async fn plainly(&mut self, operation: &str, name: &str) {
        let (ran, killed) = self.sandbox(&[operation, name], true).await;
        let is_so_already = ran.said().contains("is running") || ran.said().contains("is not running");
        assert!(ran.code == 0 || killed || is_so_already, "{operation}: {}", ran.said());
    }

    async fn snapshot(&mut self, name: &str, how: &str, may_kill: bool) -> Option<String> {
        let held = self.read(name).await;
        let (ran, killed) = self.sandbox(&["snapshot", name, how, "--output", "json"], may_kill).await;
        if ran.code != 0 {
            assert!(killed, "{}", ran.said());
            return None;
        }
        let snapshot: Value = serde_json::from_str(&ran.stdout).unwrap();
        let id = snapshot["id"].as_str().unwrap().to_owned();
        self.snapshots.insert(id.clone(), (name.to_owned(), held));
        Some(id)
    }

    async fn rollback(&mut self, name: &str, may_kill: bool) {
        let own = self.snapshots.iter().filter(|(_, (of, _))| of == name);
        let Some((id, (_, held))) = own.last().map(|(id, about)| (id.clone(), about.clone())) else { return };
        let (ran, killed) = self.sandbox(&["rollback", name, &id], may_kill).await;
        if ran.code == 0 {
            self.sandboxes.insert(name.to_owned(), held);
        } else {
            assert!(killed, "{}", ran.said());
            self.sandboxes.get_mut(name).unwrap().extend(held);
        }
    }

    async fn fork(&mut self, may_kill: bool) {
        let Some((id, (_, held))) = self.snapshots.iter().last().map(|(id, about)| (id.clone(), about.clone())) else {
            return;
        };
        self.next += 1;
        let name = format!("f{}", self.next);
        let (ran, killed) = self.sandbox(&["create", &name, "--from", &id], may_kill).await;
        if killed {
            self.believe(&name, held).await;
        } else {
            assert_eq!(ran.code, 0, "{}", ran.said());
            self.sandboxes.insert(name, held);
        }
    }

    async fn delete(&mut self, name: &str, may_kill: bool) {
        let (ran, killed) = self.sandbox(&["delete", name], may_kill).await;
        assert!(ran.code == 0 || killed, "{}", ran.said());
        let held = self.sandboxes.remove(name).unwrap();
        if killed {
            self.believe(name, held).await;
        }
    }

    /// Nobody was told whether there is such a sandbox: it counts if there is.
    async fn believe(&mut self, name: &str, held: Held) {
        if self.scenario.exeat(&["sandbox", "show", name]).await.code == 0 {
            self.sandboxes.insert(name.to_owned(), held);
        }
    }

    async fn read(&mut self, name: &str) -> Held {
        let script = "cat /workspace/value 2>/dev/null || echo 0";
        let ran = self.scenario.exeat(&["sandbox", "exec", name, "--", "sh", "-c", script]).await;
        assert_eq!(ran.code, 0, "{name}: {}", ran.said());
        let value: u32 = ran.stdout.trim().parse().unwrap();
        let held = &self.sandboxes[name];
        assert!(held.contains(&value), "{name} holds {value}, and it should be one of {held:?}");
        self.sandboxes.insert(name.to_owned(), vec![value]);
        vec![value]
    }

    /// Everything that was acknowledged is there, and nothing else.
    async fn check(&mut self) {
        let listed = self.scenario.exeat(&["sandbox", "list", "--output", "json"]).await;
        let lines = listed.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let mut names: Vec<String> = lines.map(|line| line["name"].as_str().unwrap().to_owned()).collect();
        names.sort();
        assert_eq!(names, self.sandboxes.keys().cloned().collect::<Vec<_>>());
        let number = self.random(names.len().max(1));
        if let Some(name) = names.get(number) {
            self.read(name).await;
        }
    }

    async fn end(mut self) {
        for name in self.sandboxes.keys().cloned().collect::<Vec<_>>() {
            self.read(&name).await;
            self.delete(&name, false).await;
        }
        let listed = self.scenario.exeat(&["sandbox", "snapshots", "--output", "json"]).await;
        for line in listed.stdout.lines() {
            let snapshot: Value = serde_json::from_str(line).unwrap();
            let id = snapshot["id"].as_str().unwrap();
            let deleted = self.scenario.exeat(&["sandbox", "snapshots", "delete", id]).await;
            assert_eq!(deleted.code, 0, "{}", deleted.said());
        }
        self.scenario.stop().await;
        let left = left_over(self.scenario.state());
        assert!(left.is_empty(), "left over: {left:#?}");
    }
}
