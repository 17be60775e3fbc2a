//! The words: every kind of event in every language as it reaches a DingTalk or a WeCom group, held by golden files, and
//! what a hostile buyer can write held to be nothing but text.

mod apart;
mod channels;
mod digests;
mod facts;
pub mod foreign;
mod golden;
mod hostile;
mod languages;
mod licences;
mod money;
mod outline;
mod previews;
mod reading;
pub mod reports;
mod samples;
mod sending;
mod splitting;
mod stored;
mod templates;
pub mod tricks;
mod walk;
mod wecom;
mod writers;
