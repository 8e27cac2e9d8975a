-- The file of every row of models, also of one that is being saved.
select model_id, model_name, version, file_path, saved_at is not null as is_saved
from models
