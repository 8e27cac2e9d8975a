"""The command line: asks the services, prints what they say."""
