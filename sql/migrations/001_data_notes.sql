-- What was done to the data, and what confined the windows, can be read where the evaluation is.
alter table model_runs add columns (data_notes string comment 'What was seen in the data and what confined the windows, in words')
