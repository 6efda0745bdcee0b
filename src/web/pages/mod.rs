//! The pages: each file makes one page's view (plain data) and its template.

pub mod channels;
pub mod charts;
pub mod days;
pub mod error;
pub mod form;
pub mod history_bar;
pub mod monitors;
pub mod row;
pub mod status;
pub mod text;
pub mod visit;
