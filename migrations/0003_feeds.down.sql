DROP TABLE api_keys, alerts, schedule_ticks, schedules, feed_exclusions, feed_runs, feeds;
