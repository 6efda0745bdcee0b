//! The pages: each file makes one page's view (plain data) and its template.

pub mod charts;
pub mod error;
pub mod form;
pub mod history_bar;
pub mod status;
pub mod text;
pub mod visit;
