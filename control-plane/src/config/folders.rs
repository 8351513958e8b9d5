//! Where things are that nobody has set.

use std::path::PathBuf;

/// `$XDG_DATA_HOME/stopleak`, or `~/.local/share/stopleak`.
#[must_use]
pub fn default_data_dir() -> Option<PathBuf> {
    folder_of_this_user("XDG_DATA_HOME", ".local/share")
}

/// `$XDG_CONFIG_HOME/stopleak`, or `~/.config/stopleak`.
#[must_use]
pub fn default_config_dir() -> Option<PathBuf> {
    folder_of_this_user("XDG_CONFIG_HOME", ".config")
}

fn folder_of_this_user(variable: &str, within_home: &str) -> Option<PathBuf> {
    let absolute = |path: PathBuf| path.is_absolute().then_some(path);
    let base = std::env::var_os(variable).map(PathBuf::from).and_then(absolute);
    let home = || std::env::var_os("HOME").map(PathBuf::from).and_then(absolute).map(|home| home.join(within_home));
    base.or_else(home).map(|base| base.join("stopleak"))
}
