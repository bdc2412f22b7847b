//! What is done to the rings.

mod apart;
mod crash;
mod cut;
mod flood;
mod leave;
mod loss;
mod mute;
mod stop;
mod storm;

use crate::arguments::Arguments;
use crate::stage::Stage;

/// What a scene cannot do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needed {
    Nothing,
    /// A network of its own, to cut it.
    Network,
    /// Something that nodes cannot do yet.
    Unbuilt,
}

/// One scene.
pub struct Scene {
    pub name: &'static str,
    /// How many nodes its ring has.
    pub size: usize,
    pub needs: Needed,
    /// What happens is within the promise of one history for each key.
    pub one_history: bool,
    /// Every other node has a directory for what it holds.
    pub saves: bool,
    pub play: fn(&Stage) -> Result<(), String>,
}

const fn scene(name: &'static str, needs: Needed, play: fn(&Stage) -> Result<(), String>) -> Scene {
    Scene { name, size: 8, needs, one_history: true, saves: false, play }
}

const fn of_six(name: &'static str, one_history: bool, play: fn(&Stage) -> Result<(), String>) -> Scene {
    Scene { name, size: 6, needs: Needed::Network, one_history, saves: false, play }
}

/// All of them, those that take longest first.
static SCENES: [Scene; 12] = [
    Scene { name: "storm", size: 12, needs: Needed::Nothing, one_history: true, saves: true, play: storm::play },
    scene("stop_and_continue", Needed::Nothing, stop::play),
    of_six("halves_alternating", false, apart::alternating),
    of_six("halves_in_a_row", true, apart::in_a_row),
    scene("loss", Needed::Network, loss::play),
    scene("kill_two", Needed::Nothing, crash::two),
    scene("cut_off_one", Needed::Network, cut::one),
    scene("cut_off_two", Needed::Network, cut::two),
    scene("kill_one", Needed::Nothing, crash::one),
    scene("mute_pair", Needed::Network, mute::play),
    scene("leave", leave::NEEDS, leave::play),
    scene("flood", Needed::Network, flood::play),
];

impl Scene {
    /// Its number among all, the same whichever are run.
    pub fn number(&self) -> usize {
        SCENES.iter().position(|other| other.name == self.name).unwrap_or_default()
    }
}

/// Those that the command line names.
pub fn chosen(arguments: &Arguments) -> Vec<&'static Scene> {
    SCENES.iter().filter(|scene| arguments.wants(scene.name)).collect()
}
