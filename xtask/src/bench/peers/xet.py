"""Stores files below a folder in a local store of Hugging Face's Xet, and brings them back.

xet.py add STORE LIST FOLDER | xet.py restore STORE LIST FOLDER
LIST is a file: what the store calls each path."""
import json, os, sys
import hf_xet

what, store, names, folder = sys.argv[1:]
os.makedirs(store, exist_ok=True)
session, endpoint = hf_xet.XetSession(), "local://" + os.path.abspath(store)
if what == "add":
    paths = sorted(os.path.join(top, name) for top, _, files in os.walk(folder) for name in files)
    with session.new_upload_commit(endpoint=endpoint) as commit:
        handles = [commit.start_upload_file(path, sha256=hf_xet.SKIP_SHA256) for path in paths]
    infos = [handle.result().xet_info for handle in handles]
    with open(names, "w") as out:
        json.dump([(path, info.hash, info.file_size) for path, info in zip(paths, infos)], out)
else:
    with session.new_file_download_group(endpoint=endpoint) as group:
        for path, hash, size in json.load(open(names)):
            to = os.path.join(folder, path)
            os.makedirs(os.path.dirname(to), exist_ok=True)
            group.start_download_file(hf_xet.XetFileInfo(hash, size), to)
