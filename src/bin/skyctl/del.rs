//! `skyctl del`: a key is deleted.

use super::put::{Expected, Named, copies, expected, named};
use super::ring_options::asks_key;
use super::{Failure, say};
use serde_json::json;
use std::process::ExitCode;

asks_key! {
    /// Delete a key. It is deleted on three nodes when this ends with 0.
    #[argh(subcommand, name = "del", example = "skyctl del greeting")]
    struct Arguments {
        /// only if the key exists in this version
        #[argh(option, arg_name = "version", from_str_fn(expected))]
        if_match: Option<Expected>,
        /// only if so many nodes hold it, 1 to 3
        #[argh(option, arg_name = "n", from_str_fn(copies))]
        min_copies: Option<u8>,
        /// repeat a delete whose outcome was unknown, by the name that the message gave; or name a new one with 32
        /// hexadecimal digits
        #[argh(option, arg_name = "name")]
        operation: Option<String>,
    }
}

pub async fn run(options: &Arguments) -> Result<ExitCode, Failure> {
    let key = options.key()?;
    let named = options.operation.as_deref().map(named).transpose()?;
    let client = options.options().connect().await?;
    let mut delete = client.delete(&key).min_copies(options.min_copies.unwrap_or(0));
    delete = match options.if_match {
        None => delete,
        Some(Expected::Any) => delete.if_present(),
        Some(Expected::Version(version)) => delete.if_match(version),
    };
    delete = match named {
        None => delete,
        Some(Named::First(name)) => delete.named(name),
        Some(Named::Again(operation)) => delete.again(operation),
    };
    let stored =
        delete.await?.ok_or_else(|| Failure::Other(format!("no such key: {:?}, nothing to delete", options.key)))?;
    if options.json {
        let (version, operation) = (stored.version.to_string(), stored.operation.to_string());
        let told =
            json!({ "version": version, "copies": stored.copies, "owner": stored.owner, "operation": operation });
        say(&told.to_string()).map_err(|failure| Failure::Other(format!("deleted, but {failure}")))?;
    }
    Ok(ExitCode::SUCCESS)
}
