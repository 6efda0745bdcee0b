//! The pages: each file makes one page's view (plain data) and its template.

pub mod charts;
pub mod history_bar;
pub mod text;
