//! Pictures of the ring, into files.

use super::super::{Failure, out};
use super::Sim;
use skynode::sim::picture::Picture;
use skynode::sim::playground::Playground;

/// The file that is the standard output.
const OUTPUT: &str = "-";

/// True if a picture goes to the standard output: then it has that for itself, and all else goes to standard error.
pub fn takes_output(options: &Sim) -> bool {
    [&options.dot, &options.svg].into_iter().flatten().any(|file| file == OUTPUT)
}

/// Checks what can be checked before the run.
///
/// # Errors
/// What is wrong with the options.
pub fn check(options: &Sim) -> Result<(), String> {
    if options.dot.is_some() && options.dot == options.svg {
        return Err(String::from("--dot and --svg go to one file: give each its own"));
    }
    if options.fingers.is_some() && options.dot.is_none() && options.svg.is_none() {
        return Err(String::from("--fingers is for a picture: give --dot or --svg, too"));
    }
    Ok(())
}

/// Writes the pictures.
///
/// # Errors
/// Which file could not be written, and why; or whose fingers cannot be drawn.
pub fn write(playground: &Playground, options: &Sim) -> Result<(), Failure> {
    if options.dot.is_none() && options.svg.is_none() {
        return Ok(());
    }
    let picture = Picture::of(playground, options.fingers.as_deref().unwrap_or_default()).map_err(Failure::Usage)?;
    let wanted = [(&options.dot, Picture::dot as fn(&Picture) -> String), (&options.svg, Picture::svg)];
    for (file, text) in wanted.into_iter().filter_map(|(file, make)| Some((file.as_ref()?, make(&picture)))) {
        if file == OUTPUT {
            out::write(text.as_bytes())?;
        } else {
            let told = |wrong| Failure::Other(format!("the picture {file:?} cannot be written: {wrong}"));
            std::fs::write(file, text).map_err(told)?;
        }
    }
    Ok(())
}
