"""Writes the Hugging Face folder from a checkpoint:  python3 export.py BUILD_DIR OUT_DIR"""
import json
import os
import shutil
import struct
import sys
import torch
from model import CFG, init, n_params, views

TEMPLATE = ("{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}"
            "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}")


def hf_tensors(flat, c=CFG):
    v, out = views(flat, c), {}
    q, kv = c["heads"] * c["head_dim"], c["kv_heads"] * c["head_dim"]
    out["model.embed_tokens.weight"] = v["embed"]
    for i in range(c["layers"]):
        p = f"model.layers.{i}."
        out[p + "input_layernorm.weight"] = v[f"{i}.norm1"]
        out[p + "self_attn.q_proj.weight"], out[p + "self_attn.k_proj.weight"], out[p + "self_attn.v_proj.weight"] = v[f"{i}.qkv"].split([q, kv, kv])
        out[p + "self_attn.o_proj.weight"] = v[f"{i}.o"]
        out[p + "post_attention_layernorm.weight"] = v[f"{i}.norm2"]
        out[p + "mlp.gate_proj.weight"], out[p + "mlp.up_proj.weight"] = v[f"{i}.gu"].chunk(2)
        out[p + "mlp.down_proj.weight"] = v[f"{i}.down"]
    out["model.norm.weight"] = v["norm"]
    return out


def save_safetensors(tensors, path):
    head, o, blobs = {"__metadata__": {"format": "pt"}}, 0, []
    for k, t in tensors.items():
        b = t.contiguous().to(torch.bfloat16).view(torch.int16).numpy().tobytes()
        head[k] = {"dtype": "BF16", "shape": list(t.shape), "data_offsets": [o, o + len(b)]}
        o += len(b)
        blobs.append(b)
    h = json.dumps(head, separators=(",", ":")).encode()
    h += b" " * (-len(h) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(h)) + h)
        f.writelines(blobs)


def load_safetensors(path, c=CFG):
    """The flat float32 parameter buffer from model.safetensors (the bf16-rounded weights)."""
    raw = open(path, "rb").read()
    n = struct.unpack("<Q", raw[:8])[0]
    head = json.loads(raw[8:8 + n])
    flat = torch.empty(n_params(c))
    for k, t in hf_tensors(flat, c).items():
        a, b = head[k]["data_offsets"]
        t.copy_(torch.frombuffer(bytearray(raw[8 + n + a:8 + n + b]), dtype=torch.int16).view(torch.bfloat16).float().view(t.shape))
    return flat


def main(build, out, c=CFG):
    os.makedirs(out, exist_ok=True)
    save_safetensors(hf_tensors(torch.load(os.path.join(build, "checkpoint.pt"))["flat"]), os.path.join(out, "model.safetensors"))
    shutil.copyfile(os.path.join(build, "tokenizer.json"), os.path.join(out, "tokenizer.json"))

    def dump(name, x):
        with open(os.path.join(out, name), "w") as f:
            json.dump(x, f, indent=2)
            f.write("\n")

    dump("config.json", {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "attention_bias": False, "attention_dropout": 0.0, "mlp_bias": False, "hidden_act": "silu",
        "hidden_size": c["hidden"], "intermediate_size": c["ffn"], "num_hidden_layers": c["layers"], "num_attention_heads": c["heads"], "num_key_value_heads": c["kv_heads"],
        "head_dim": c["head_dim"], "max_position_embeddings": c["context"], "rms_norm_eps": c["eps"], "rope_theta": c["theta"], "rope_scaling": None, "initializer_range": 0.04,
        "tie_word_embeddings": True, "torch_dtype": "bfloat16", "use_cache": True, "vocab_size": c["vocab"], "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0})
    dump("generation_config.json", {"bos_token_id": 1, "eos_token_id": [2, 0], "pad_token_id": 0, "do_sample": False, "max_new_tokens": 256})
    dump("special_tokens_map.json", {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    dump("tokenizer_config.json", {
        "tokenizer_class": "PreTrainedTokenizerFast", "add_bos_token": False, "add_eos_token": False, "add_prefix_space": False, "clean_up_tokenization_spaces": False,
        "bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "unk_token": None, "model_max_length": c["context"],
        "added_tokens_decoder": {str(i): {"content": t, "lstrip": False, "rstrip": False, "normalized": False, "single_word": False, "special": True} for i, t in enumerate(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])},
        "additional_special_tokens": ["<|im_start|>", "<|im_end|>"], "chat_template": TEMPLATE})


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
