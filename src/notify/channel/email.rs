//! Mail: only its settings. [`email`](crate::notify::email) writes and sends it. Pure.

use serde::{Deserialize, Serialize};

use super::field::{Field, Shape};
use super::{About, Kind, Rendered, by_status};
use crate::notify::attempt::Outgoing;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    to: Vec<String>,
}

impl Kind for Config {
    const ABOUT: About = About {
        name: "Email",
        icon: "mail",
        how: "Goes through the mail server that is set under Settings, Mail.",
        fields: &[Field::required("to", "To", Shape::Addresses)
            .example("oncall@example.com, ops@example.com")
            .help("One or more addresses, with commas between.")],
        answer: by_status,
    };

    fn target(&self) -> String {
        match self.to.split_first() {
            Some((first, [])) => first.clone(),
            Some((first, rest)) => format!("{first} and {} more", rest.len()),
            None => String::new(),
        }
    }

    fn default_name(&self) -> String {
        self.to.join(", ")
    }

    fn render(&self, _: &Outgoing<'_>) -> Result<Rendered, String> {
        Ok(Rendered::Mail(self.to.clone()))
    }
}
