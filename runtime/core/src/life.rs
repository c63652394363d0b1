//! The state machine.

use serde::{Deserialize, Serialize};

use crate::{Layer, Memory, SandboxId, Saved};

/// Where a sandbox is in its life. This is what is written down; it is the truth about a sandbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Life {
    /// Where it is.
    pub phase: Phase,
    /// What the running generation stands on, or what the next start starts from.
    pub saved: Saved,
    /// The number that the next generation gets. Never used twice.
    pub next: u64,
}

/// Where a sandbox is in its life. A generation is a writable upper folder and the processes above it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "name")]
pub enum Phase {
    /// Its first start has begun; nobody has been told of it yet.
    Creating {
        /// The generation that is being started.
        generation: u64,
    },
    /// A start from the saved state has begun.
    Starting {
        /// The generation that is being started.
        generation: u64,
        /// What it was before.
        why: Why,
    },
    /// It runs.
    Running {
        /// The generation that runs.
        generation: u64,
    },
    /// Its state is being saved, after which it rests.
    Pausing {
        /// The generation that runs until then.
        generation: u64,
    },
    /// Another state is being started in its place.
    Replacing {
        /// The generation that runs, and is held still.
        old: u64,
        /// The generation that is being started.
        new: u64,
        /// What it is started from.
        target: Saved,
    },
    /// Nothing runs: all there is of it is the saved state.
    Resting {
        /// Since when it does not run.
        why: Why,
    },
    /// It is being removed.
    Deleting,
}

impl Phase {
    /// Whether nothing is under way.
    pub fn is_settled(&self) -> bool {
        matches!(self, Phase::Running { .. } | Phase::Resting { .. })
    }
}

/// Why a sandbox does not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// It was paused: its memory was saved, and it goes on where it was.
    Paused,
    /// Its processes ended, by themselves or with the machine. Its disk is as they left it.
    Lost,
    /// It used more memory than it may, and was ended. Its disk is as it left it.
    OutOfMemory,
    /// Its state was replaced by that of a snapshot while it did not run.
    RolledBack,
}

/// What somebody wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Run again from the saved state, where it was.
    Resume,
    /// Run again from the saved disk, without its memory.
    Boot,
    /// Save memory and disk and stop.
    Pause,
    /// Put another state in place of this one.
    Rollback(Saved),
    /// Remove everything.
    Delete,
}

/// One step outside of this crate. Every step may be repeated: done twice is done once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Start a generation on a fresh upper folder above the state's layers, from its memory where it has one.
    Start {
        /// The generation.
        generation: u64,
        /// What from.
        from: Saved,
    },
    /// Let no process of the generation run.
    Hold(u64),
    /// Let them run again.
    Release(u64),
    /// Save the held generation's memory, whole or not at all.
    SaveMemory {
        /// The generation.
        generation: u64,
        /// Where to.
        memory: Memory,
    },
    /// End every process of the generation. What is left is its upper folder.
    End(u64),
    /// Make the ended generation's upper folder a layer.
    Freeze {
        /// The generation.
        generation: u64,
        /// The layer that it becomes.
        layer: Layer,
    },
    /// Remove what there is of an ended generation.
    Discard(u64),
    /// End whatever lives of the sandbox, and remove everything of it but its record.
    Remove,
}

/// What is there of a sandbox when one looks.
pub trait Observed {
    /// Whether the generation's processes live, held or not.
    fn is_alive(&self, generation: u64) -> bool;
    /// Whether the image of the memory is there, whole.
    fn is_saved(&self, memory: &Memory) -> bool;
    /// Whether the generation was ended because it used too much memory.
    fn ran_out_of_memory(&self, generation: u64) -> bool;
}

/// An operation that cannot be begun now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Another one has not ended.
    #[error("another operation on the sandbox has not ended yet; try again when it has")]
    Busy,
    /// It is on its way out.
    #[error("the sandbox is being deleted")]
    Deleting,
    /// It runs already.
    #[error("the sandbox is running")]
    Running,
    /// It does not run.
    #[error("the sandbox is not running")]
    NotRunning,
}

impl Life {
    /// A new sandbox, and the steps to its first start.
    pub fn create(from: Saved) -> (Life, Vec<Step>) {
        let steps = vec![Step::Start { generation: 0, from: from.clone() }];
        (Life { phase: Phase::Creating { generation: 0 }, saved: from, next: 1 }, steps)
    }

    /// The generation that runs, where one does.
    pub fn running(&self) -> Option<u64> {
        match self.phase {
            Phase::Running { generation } => Some(generation),
            _ => None,
        }
    }

    /// Begins an operation: what is to be written down first, and the steps that follow.
    ///
    /// # Errors
    /// [`Refused`]; nothing has happened then.
    pub fn begin(&self, operation: Operation, id: &SandboxId) -> Result<(Life, Vec<Step>), Refused> {
        let next = self.next;
        match (&self.phase, operation) {
            (Phase::Deleting, Operation::Delete) => Ok((self.clone(), vec![Step::Remove])),
            (Phase::Deleting, _) => Err(Refused::Deleting),
            (Phase::Running { .. } | Phase::Resting { .. }, Operation::Delete) => {
                Ok((self.at(Phase::Deleting), vec![Step::Remove]))
            }
            (Phase::Resting { .. }, Operation::Resume) => Ok(self.start(self.saved.clone())),
            (Phase::Resting { .. }, Operation::Boot) => {
                Ok(self.start(Saved { layers: self.saved.layers.clone(), memory: None }))
            }
            (Phase::Running { .. }, Operation::Resume | Operation::Boot) => Err(Refused::Running),
            (&Phase::Running { generation }, Operation::Pause) => {
                let memory = Memory::of_generation(id, generation);
                let mut steps = vec![Step::Hold(generation), Step::SaveMemory { generation, memory }];
                steps.extend(put_away(generation, id));
                Ok((self.at(Phase::Pausing { generation }), steps))
            }
            (Phase::Resting { .. }, Operation::Pause) => Err(Refused::NotRunning),
            (&Phase::Running { generation: old }, Operation::Rollback(target)) => {
                let steps = vec![Step::Hold(old), Step::Start { generation: next, from: target.clone() }];
                let phase = Phase::Replacing { old, new: next, target };
                Ok((Life { phase, saved: self.saved.clone(), next: next + 1 }, steps))
            }
            (Phase::Resting { .. }, Operation::Rollback(target)) => {
                Ok((Life { phase: Phase::Resting { why: Why::RolledBack }, saved: target, next }, Vec::new()))
            }
            _ => Err(Refused::Busy),
        }
    }

    /// What is to be written down when every step has been done, and the steps that tidy up after that. Those may be
    /// forgotten: what they remove is found again by [`Life::recover`]'s caller, since nothing refers to it.
    pub fn finish(&self, id: &SandboxId) -> (Life, Vec<Step>) {
        match &self.phase {
            &Phase::Creating { generation } | &Phase::Starting { generation, .. } => {
                let saved = Saved { layers: self.saved.layers.clone(), memory: None };
                (Life { phase: Phase::Running { generation }, saved, next: self.next }, Vec::new())
            }
            &Phase::Pausing { generation } => (self.paused(generation, id), Vec::new()),
            Phase::Replacing { old, new, target } => {
                let saved = Saved { layers: target.layers.clone(), memory: None };
                let steps = vec![Step::End(*old), Step::Discard(*old)];
                (Life { phase: Phase::Running { generation: *new }, saved, next: self.next }, steps)
            }
            Phase::Running { .. } | Phase::Resting { .. } | Phase::Deleting => (self.clone(), Vec::new()),
        }
    }

    /// What to make of what is there, when a step failed, when processes ended by themselves, or when the supervisor
    /// was: the steps first, then what is to be written down.
    pub fn recover(&self, id: &SandboxId, observed: &impl Observed) -> (Life, Vec<Step>) {
        match &self.phase {
            Phase::Creating { .. } | Phase::Deleting => (self.at(Phase::Deleting), vec![Step::Remove]),
            Phase::Resting { .. } => (self.clone(), Vec::new()),
            &Phase::Starting { generation, why } => {
                (self.at(Phase::Resting { why }), vec![Step::End(generation), Step::Discard(generation)])
            }
            &Phase::Running { generation } if observed.is_alive(generation) => {
                (self.clone(), vec![Step::Release(generation)])
            }
            &Phase::Running { generation } => self.ended(generation, id, observed),
            &Phase::Pausing { generation } if observed.is_saved(&Memory::of_generation(id, generation)) => {
                (self.paused(generation, id), put_away(generation, id))
            }
            &Phase::Pausing { generation } if observed.is_alive(generation) => {
                (self.at(Phase::Running { generation }), vec![Step::Release(generation)])
            }
            &Phase::Pausing { generation } => self.ended(generation, id, observed),
            Phase::Replacing { old, new, .. } if observed.is_alive(*old) => {
                let steps = vec![Step::End(*new), Step::Discard(*new), Step::Release(*old)];
                (self.at(Phase::Running { generation: *old }), steps)
            }
            // What it was before is gone, memory and all; what it was to become is whole.
            Phase::Replacing { old, new, target } => {
                let steps = [new, old].into_iter().flat_map(|&gone| [Step::End(gone), Step::Discard(gone)]).collect();
                let phase = Phase::Resting { why: Why::RolledBack };
                (Life { phase, saved: target.clone(), next: self.next }, steps)
            }
        }
    }

    /// The layers and the image of memory that must not be removed while the sandbox is in this state.
    pub fn keeps(&self, id: &SandboxId) -> (Vec<Layer>, Vec<Memory>) {
        let mut layers = self.saved.layers.clone();
        let mut memory: Vec<Memory> = self.saved.memory.iter().cloned().collect();
        match &self.phase {
            &Phase::Pausing { generation } | &Phase::Running { generation } => {
                layers.push(Layer::of_generation(id, generation));
                memory.push(Memory::of_generation(id, generation));
            }
            Phase::Replacing { target, .. } => {
                layers.extend(target.layers.iter().cloned());
                memory.extend(target.memory.iter().cloned());
            }
            Phase::Creating { .. } | Phase::Starting { .. } | Phase::Resting { .. } | Phase::Deleting => {}
        }
        (layers, memory)
    }

    fn start(&self, from: Saved) -> (Life, Vec<Step>) {
        let Phase::Resting { why } = self.phase else { return (self.clone(), Vec::new()) };
        let phase = Phase::Starting { generation: self.next, why };
        let steps = vec![Step::Start { generation: self.next, from }];
        (Life { phase, saved: self.saved.clone(), next: self.next + 1 }, steps)
    }

    fn at(&self, phase: Phase) -> Life {
        Life { phase, saved: self.saved.clone(), next: self.next }
    }

    fn paused(&self, generation: u64, id: &SandboxId) -> Life {
        let mut saved = self.saved.topped(Layer::of_generation(id, generation));
        saved.memory = Some(Memory::of_generation(id, generation));
        Life { phase: Phase::Resting { why: Why::Paused }, saved, next: self.next }
    }

    fn ended(&self, generation: u64, id: &SandboxId, observed: &impl Observed) -> (Life, Vec<Step>) {
        let why = if observed.ran_out_of_memory(generation) { Why::OutOfMemory } else { Why::Lost };
        let saved = self.saved.topped(Layer::of_generation(id, generation));
        (Life { phase: Phase::Resting { why }, saved, next: self.next }, put_away(generation, id))
    }
}

/// From a generation that has been saved, or has ended, to a layer.
fn put_away(generation: u64, id: &SandboxId) -> Vec<Step> {
    let layer = Layer::of_generation(id, generation);
    vec![Step::End(generation), Step::Freeze { generation, layer }, Step::Discard(generation)]
}

#[cfg(test)]
mod tests;
