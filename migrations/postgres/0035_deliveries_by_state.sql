-- How many deliveries are in each state is asked with every scrape of the metrics: from the index, not from rows with their messages.
CREATE INDEX deliveries_state ON deliveries (state);
