//! `stopleak profile`: names for servers, so that nobody has to type addresses. They are in one file, for all commands.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Fault;
use super::table;
use crate::config::default_config_dir;
use crate::keys::{create_private_folder, write_private};

/// Name the servers that you work with
#[derive(Args)]
#[command(after_help = "\
Examples:
  stopleak profile add production https://stopleak.example --api-token-file ~/.stopleak-token --default
  stopleak leak list --profile staging")]
pub(super) struct ProfileCommand {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Add a profile, or replace the one of this name
    Add(Add),
    /// List profiles
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove a profile; the server knows nothing of it
    Remove {
        /// Its name
        name: String,
    },
}

#[derive(Args)]
struct Add {
    /// What you will call it
    name: String,
    /// The server's address, such as `https://stopleak.example`
    #[arg(value_name = "URL")]
    server: String,
    /// A file with an API token of that server
    #[arg(long, value_name = "FILE")]
    api_token_file: PathBuf,
    /// Use it when no other is named
    #[arg(long)]
    default: bool,
}

/// The file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Profiles {
    #[serde(skip_serializing_if = "Option::is_none")]
    default: Option<String>,
    profiles: BTreeMap<String, Profile>,
}

/// One server, and as whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Profile {
    /// Its address.
    pub(super) server: String,
    /// Where the token is. The token itself is not in the file.
    pub(super) api_token_file: PathBuf,
}

const FILE: &str = "profiles.toml";

impl ProfileCommand {
    pub(super) fn run(self) -> Result<(), Fault> {
        let folder = default_config_dir()
            .ok_or_else(|| Fault::Usage("neither XDG_CONFIG_HOME nor HOME says where profiles are kept".to_owned()))?;
        let mut profiles = Profiles::read(&folder)?;
        match self.command {
            Command::List { json } => return profiles.list(json),
            Command::Add(add) => profiles.add(add)?,
            Command::Remove { name } => profiles.remove(&name)?,
        }
        profiles.write(&folder)
    }
}

impl Profiles {
    /// Those of whoever runs this; none when there is no file.
    pub(super) fn of_this_user() -> Result<Self, Fault> {
        default_config_dir().map_or_else(|| Ok(Self::default()), |folder| Self::read(&folder))
    }

    /// The one of this name; without a name, the default one, if any.
    pub(super) fn choose(mut self, name: Option<&str>) -> Result<Option<Profile>, Fault> {
        let Some(name) = name.map(str::to_owned).or_else(|| self.default.take()) else { return Ok(None) };
        match self.profiles.remove(&name) {
            Some(profile) => Ok(Some(profile)),
            None => Err(Fault::Usage(format!("there is no profile {name}; `stopleak profile list` shows which there are"))),
        }
    }

    fn read(folder: &Path) -> Result<Self, Fault> {
        let path = folder.join(FILE);
        match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(Fault::Usage(format!("profiles {}: {error}", path.display()))),
            Ok(text) => toml::from_str(&text).map_err(|error| Fault::Usage(format!("profiles {}: {error}", path.display()))),
        }
    }

    fn write(&self, folder: &Path) -> Result<(), Fault> {
        let path = folder.join(FILE);
        let refuse = |error: &dyn std::fmt::Display| Fault::Refused(format!("profiles {}: {error}", path.display()));
        let text = toml::to_string(self).map_err(|error| refuse(&error))?;
        create_private_folder(folder).map_err(|error| refuse(&error))?;
        write_private(&path, &text).map_err(|error| refuse(&error))
    }

    fn add(&mut self, add: Add) -> Result<(), Fault> {
        if !add.server.starts_with("https://") && !add.server.starts_with("http://") {
            return Err(Fault::Usage(format!("{} does not begin with http:// or https://", add.server)));
        }
        let api_token_file = std::path::absolute(&add.api_token_file).unwrap_or(add.api_token_file);
        if !api_token_file.exists() {
            return Err(Fault::Usage(format!("--api-token-file: {} does not exist", api_token_file.display())));
        }
        if add.default {
            self.default = Some(add.name.clone());
        }
        self.profiles.insert(add.name, Profile { server: add.server, api_token_file });
        Ok(())
    }

    fn remove(&mut self, name: &str) -> Result<(), Fault> {
        if self.profiles.remove(name).is_none() {
            return Err(Fault::Usage(format!("there is no profile {name}; `stopleak profile list` shows which there are")));
        }
        self.default.take_if(|default| default == name);
        Ok(())
    }

    fn list(&self, as_json: bool) -> Result<(), Fault> {
        if as_json {
            return table::json(&json!(self));
        }
        let row = |(name, profile): (&String, &Profile)| {
            let default = if self.default.as_ref() == Some(name) { "default" } else { "" };
            vec![name.clone(), profile.server.clone(), profile.api_token_file.display().to_string(), default.to_owned()]
        };
        table::rows(&["NAME", "SERVER", "API TOKEN FILE", ""], &self.profiles.iter().map(row).collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(name: &str, token: &Path, default: bool) -> Add {
        Add { name: name.to_owned(), server: format!("https://{name}.example"), api_token_file: token.to_owned(), default }
    }

    #[test]
    fn profiles_are_kept_and_chosen_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let token = folder.path().join("token");
        fs::write(&token, "slk_x").unwrap();
        let mut profiles = Profiles::read(folder.path()).unwrap();
        assert_eq!(profiles.clone().choose(None).unwrap(), None);
        profiles.add(add("production", &token, true)).unwrap();
        profiles.add(add("staging", &token, false)).unwrap();
        profiles.write(folder.path()).unwrap();

        let mut read = Profiles::read(folder.path()).unwrap();
        assert_eq!(read, profiles);
        let server = |name| read.clone().choose(name).unwrap().unwrap().server;
        assert_eq!([server(None), server(Some("staging"))], ["https://production.example", "https://staging.example"]);
        assert!(read.clone().choose(Some("other")).unwrap_err().to_string().contains("no profile other"));
        read.remove("production").unwrap();
        assert_eq!(read.clone().choose(None).unwrap(), None, "the default goes with its profile");
        assert!(read.remove("production").is_err());
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut profiles = Profiles::default();
        assert!(profiles.add(add("x", &folder.path().join("absent"), false)).is_err());
        let plain = Add { server: "stopleak.example".to_owned(), ..add("x", folder.path(), false) };
        assert!(profiles.add(plain).is_err());
        fs::write(folder.path().join(FILE), "[profiles.a]\nserver = \"https://a\"\ntoken = \"slk_x\"").unwrap();
        assert!(matches!(Profiles::read(folder.path()), Err(Fault::Usage(message)) if message.contains("token")));
    }
}
