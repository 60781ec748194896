using System.CommandLine;
using HelixFlow.Engine.Formats;
using HelixFlow.TestKit.Models;

namespace HelixFlow.Benchmarks;

/// <summary>Writes a GGUF file with random weights in a real model's shape: speed does not depend on what the weights are.</summary>
internal static class WriteModelCommand
{
    public static Command Create()
    {
        var preset = new Argument<string>("preset") { Description = "nano, tiny, half or llama1b (the shape of Llama-3.2-1B)" };
        var type = new Argument<TensorType>("type") { Description = "F32, F16, BF16, Q8_0, Q4_0, or, with llama.cpp's quantiser, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K, Q6_K" };
        var path = new Argument<string>("path") { Description = "The file to write" };
        var family = new Option<string>("--family") { Description = string.Join(", ", RandomModel.Families), DefaultValueFactory = _ => "llama" };
        var command = new Command("write-model", "Write a model with random weights") { preset, type, path, family };
        command.SetAction(arguments => RandomModel.Write(
            arguments.GetRequiredValue(preset), arguments.GetValue(family)!, arguments.GetValue(type), arguments.GetRequiredValue(path)));
        return command;
    }
}
