-- Removes rows of models by their numbers.
delete from models
where model_id in ({ids})
